/* The same from C++: the headers compile as C++, and objects with destructors live on a coroutine's stack. */
#include <atomic>
#include <iostream>
#include <vector>

#include <weft.h>

namespace
{

class counted
{
  public:
    explicit counted(std::atomic<int> &live) : live_(live)
    {
        live_++;
    }
    ~counted()
    {
        live_--;
    }
    counted(const counted &) = delete;
    counted &operator=(const counted &) = delete;

  private:
    std::atomic<int> &live_;
};

std::atomic<int> live{0};
std::atomic<int> ended{0};

void *child(void *)
{
    counted here(live);
    if (weft_sleep(WEFT_MILLISECOND) == 0)
        ended++;
    return nullptr;
}

void *count_end(void *)
{
    ended++;
    return nullptr;
}

void *parent(void *)
{
    weft_task task;
    if (weft_fork(&task, count_end, nullptr) != 0 || weft_sync(&task) != 0)
        return nullptr;
    std::vector<weft_t *> children;
    for (int i = 0; i < 100; i++)
        children.push_back(weft_spawn(child, nullptr));
    return weft_joinall(children.data(), children.size()) == 0 ? &live : nullptr;
}

} // namespace

int main()
{
    void *result = nullptr;
    int error = weft_run(parent, nullptr, &result);
    int stopped = weft_stop(WEFT_NEVER);
    std::cout << "weft " << weft_version() << ": " << ended << " ended, " << live << " live\n";
    return error == 0 && stopped == 0 && result == &live && ended == 101 && live == 0 ? 0 : 1;
}
