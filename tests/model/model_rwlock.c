/* sched/rwlock.c: writers alone, each sees what those before wrote, and overwrites nothing that is still read; nobody waits for
 * a lock that is free or that it could share, whoever gives up at that moment.
 */
#include "model_suspend.h"

#include "sched/rwlock.c"

static weft_rwlock rwlock;
static int total;            /* rwlock: */
static int readers, writers; /* of the model: who holds it */
static int turns;

static struct rwlock *object(void)
{
    return open_rwlock(&rwlock);
}

static void setup(void)
{
    setup_coroutines(3);
    HIDE(wait_object);
    memset(&rwlock, 0, sizeof rwlock);
    total = readers = writers = turns = 0;
}

/* Coroutine 0 writes already. */
static void setup_written(void)
{
    setup();
    object()->word = WRITER;
    object()->owner = (uintptr_t)&coros[0];
    writers = 1;
}

/* Coroutine 0 reads already. */
static void setup_read(void)
{
    setup();
    object()->word = READER;
    readers = 1;
}

/* And coroutine 1 waits to write, with a deadline. */
static void setup_writer_waits(void)
{
    setup_read();
    object()->word |= WAITING;
    coros[1].state = wf_state_make(7, WF_PHASE_WAITING | WF_STATE_TIMED);
    wf_list_push_back(&object()->writers, &coros[1].wait_node);
    coros[1].deadline = PASSED;
}

/* And coroutine 2 waits to read behind it. */
static void setup_both_wait(void)
{
    setup_writer_waits();
    coros[2].state = wf_state_make(7, WF_PHASE_WAITING);
    wf_list_push_back(&object()->readers, &coros[2].wait_node);
}

/* Coroutines 0 and 2 read, and coroutine 1 waits to write. */
static void setup_two_read(void)
{
    setup_writer_waits();
    object()->word += READER;
    readers = 2;
}

/* Coroutine 0 writes, and the others wait. */
static void setup_both_wait_for_writer(void)
{
    setup_both_wait();
    object()->word = WRITER | WAITING;
    object()->owner = (uintptr_t)&coros[0];
    readers = 0;
    writers = 1;
}

static void begin_reading(void)
{
    readers++;
    mc_check(writers == 0);
    mc_check(wf_plain_read(&total) == turns);
}

static void end_reading(void)
{
    mc_check(readers > 0 && writers == 0);
    (void)wf_plain_read(&total);
    readers--;
    mc_check(weft_rwlock_unlock(&rwlock) == 0);
}

static void begin_writing(void)
{
    mc_check(++writers == 1 && readers == 0);
    mc_check(wf_plain_read(&total) == turns);
    turns++;
}

static void end_writing(void)
{
    mc_check(writers == 1 && readers == 0);
    wf_plain_write(&total, wf_plain_read(&total) + 1);
    mc_check(wf_plain_read(&total) == turns);
    writers--;
    mc_check(weft_rwlock_unlock(&rwlock) == 0);
}

static void end_first_writing(void)
{
    turns++;
    end_writing();
}

/* The writer goes on as a reader, as if the others had come only then. */
static void write_then_read(void)
{
    turns++;
    wf_plain_write(&total, wf_plain_read(&total) + 1);
    writers--;
    readers++;
    set_owner(object(), NULL);
    wf_store_release(&object()->word, READER | WAITING);
    end_reading();
}

static void read_once(void)
{
    mc_check(weft_rwlock_rdlock(&rwlock) == 0);
    begin_reading();
    end_reading();
}

static void write_once(void)
{
    mc_check(weft_rwlock_wrlock(&rwlock) == 0);
    begin_writing();
    end_writing();
}

static bool gave_up(int result)
{
    mc_check(result == 0 || result == -ETIMEDOUT || result == -ECANCELED);
    return result != 0;
}

static void read_by_deadline(void)
{
    if (gave_up(weft_rwlock_rdlock_until(&rwlock, PASSED)))
        return;
    begin_reading();
    end_reading();
}

static void write_by_deadline(void)
{
    if (gave_up(weft_rwlock_wrlock_until(&rwlock, PASSED)))
        return;
    begin_writing();
    end_writing();
}

static void try_to_write(void)
{
    int result = weft_rwlock_trywrlock(&rwlock);
    mc_check(result == 0 || result == -EBUSY);
    if (result == 0) {
        begin_writing();
        end_writing();
    }
}

/* From the line, as wait_turn goes on. True: it holds it. */
static bool come_back(void)
{
    wf_coro *self = wf_self();
    mc_wait(&queued[mc_self()]);
    mc_check(--times_queued[mc_self()] == 0);
    wf_state_dispatch(self);
    if (self->wake_value == 0)
        return true;
    give_up(object(), self);
    return false;
}

static void come_back_writing(void)
{
    if (come_back()) {
        begin_writing();
        end_writing();
    }
}

static void come_back_reading(void)
{
    if (come_back()) {
        begin_reading();
        end_reading();
    }
}

static void expire_second(void)
{
    expire(&coros[1]);
}

static void kill_second(void)
{
    kill_coroutine(&coros[1]);
}

static void is_free(void)
{
    check_nobody_waits();
    mc_check(readers == 0 && writers == 0 && total == turns);
    mc_check(wf_load_relaxed(&object()->word) == 0 && wf_load_relaxed(&object()->owner) == 0);
    mc_check(weft_rwlock_fini(&rwlock) == 0);
}

#define SCENARIO(name_, setup_, ...) .name = name_, .setup = setup_, .threads = {__VA_ARGS__}, .final = is_free

static const struct mc_scenario scenarios[] = {
    {SCENARIO("two-writers", setup, {"a", write_once}, {"b", write_once})},
    {SCENARIO("reader-writer", setup, {"a", read_once}, {"b", write_once})},
    {SCENARIO("after-writer", setup_written, {"a", end_first_writing}, {"b", read_once}, {"c", write_once})},
    {SCENARIO("two-readers-after-writer", setup_written, {"a", end_first_writing}, {"b", read_once}, {"c", read_once})},
    {SCENARIO("after-reader", setup_writer_waits, {"a", end_reading}, {"b", come_back_writing}, {"c", read_once})},
    {SCENARIO("three", setup_read, {"a", end_reading}, {"b", write_once}, {"c", read_once}), .deep = true},
    {SCENARIO("two-writers-after-reader", setup_read, {"a", end_reading}, {"b", write_once}, {"c", write_once}),
     .deep = true},
    {SCENARIO("try", setup_read, {"a", end_reading}, {"b", try_to_write}, {"c", read_once})},
    {SCENARIO("writer-times-out", setup_read, {"a", end_reading}, {"b", write_by_deadline}, {"timer", expire_second})},
    {SCENARIO("reader-times-out", setup_written, {"a", end_first_writing}, {"b", read_by_deadline},
              {"timer", expire_second})},
    {SCENARIO("line-times-out", setup_writer_waits, {"a", end_reading}, {"b", come_back_writing}, {"c", read_once},
              {"timer", expire_second})},
    {SCENARIO("both-in-line", setup_both_wait, {"a", end_reading}, {"b", come_back_writing}, {"c", come_back_reading})},
    {SCENARIO("two-readers-leave", setup_two_read, {"a", end_reading}, {"b", come_back_writing}, {"c", end_reading})},
    {SCENARIO("writer-in-line-times-out", setup_both_wait_for_writer, {"a", write_then_read}, {"b", come_back_writing},
              {"c", come_back_reading}, {"timer", expire_second})},
    {SCENARIO("both-in-line-time-out", setup_both_wait, {"a", end_reading}, {"b", come_back_writing},
              {"c", come_back_reading}, {"timer", expire_second})},
    {SCENARIO("writer-killed", setup_read, {"a", end_reading}, {"b", write_by_deadline}, {"killer", kill_second})},
};

int main(int argc, char **argv)
{
    return mc_main(argc, argv, "rwlock", scenarios, sizeof scenarios / sizeof *scenarios);
}
