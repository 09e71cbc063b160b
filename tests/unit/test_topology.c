/* core/topology: over machines described to hwloc, and the one at hand. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cgroup.h"
#include "core/topology.h"

static void expect_cpus(wf_topology *topology, const int *cpus, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(wf_topology_worker_cpu(topology, i, count), cpus[i]);
}

static void expect_victims(wf_topology *topology, unsigned worker, unsigned workers, const uint16_t *expected)
{
    uint16_t order[64];
    wf_topology_victims(topology, worker, workers, order);
    for (unsigned i = 0; i + 1 < workers; i++)
        assert_int_equal(order[i], expected[i]);
}

static void test_topology_workers_take_cores_before_siblings(void **state)
{
    (void)state;
    wf_topology *topology = wf_topology_new_synthetic("core:4 pu:2");
    assert_non_null(topology);
    assert_int_equal(wf_topology_cpus(topology), 8);
    expect_cpus(topology, (int[]){0, 2, 4, 6, 1, 3, 5, 7, 0, 2}, 10);
    wf_topology_free(topology);
}

static void test_topology_siblings_numbered_apart_are_still_siblings(void **state)
{
    (void)state;
    /* As Linux numbers them on most machines: processor 0 and 4 share a core. */
    wf_topology *topology = wf_topology_new_synthetic("core:4 pu:2(indexes=0,4,1,5,2,6,3,7)");
    assert_non_null(topology);
    expect_cpus(topology, (int[]){0, 1, 2, 3, 4, 5, 6, 7}, 8);
    expect_victims(topology, 5, 8, (uint16_t[]){1, 6, 3, 7, 0, 4, 2});
    wf_topology_free(topology);
}

static void test_topology_victims_go_from_sibling_to_cache_to_node_to_rest(void **state)
{
    (void)state;
    /* Two nodes of two L3 of two cores of two threads: 16 processors; worker i < 8 has the first thread of core i. */
    wf_topology *topology = wf_topology_new_synthetic("numa:2 l3:2 core:2 pu:2");
    assert_non_null(topology);
    expect_victims(topology, 0, 16, (uint16_t[]){8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15});
    expect_victims(topology, 13, 16, (uint16_t[]){5, 12, 4, 15, 6, 14, 7, 9, 2, 10, 3, 11, 0, 8, 1});
    for (unsigned worker = 0; worker < 16; worker++)
        assert_int_equal(wf_topology_node(topology, worker, 16), worker % 8 / 4);
    wf_topology_free(topology);
}

static void test_topology_smaller_shared_cache_is_nearer(void **state)
{
    (void)state;
    wf_topology *topology = wf_topology_new_synthetic("l3:2 l2:2 core:2 pu:1");
    assert_non_null(topology);
    expect_victims(topology, 2, 8, (uint16_t[]){3, 0, 1, 6, 7, 4, 5});
    wf_topology_free(topology);
}

static void test_topology_more_workers_than_processors_share_them(void **state)
{
    (void)state;
    wf_topology *topology = wf_topology_new_synthetic("core:2 pu:1");
    assert_non_null(topology);
    expect_victims(topology, 0, 5, (uint16_t[]){2, 4, 1, 3});
    expect_victims(topology, 0, 1, NULL);
    wf_topology_free(topology);
}

static void test_topology_every_victim_comes_once(void **state)
{
    (void)state;
    wf_topology *topology = wf_topology_new_synthetic("pack:3 numa:2 l2:3 core:1 pu:2");
    assert_non_null(topology);
    for (unsigned worker = 0; worker < 40; worker++) {
        uint16_t order[39];
        bool seen[40] = {false};
        wf_topology_victims(topology, worker, 40, order);
        for (int i = 0; i < 39; i++) {
            assert_true(order[i] < 40 && order[i] != worker && !seen[order[i]]);
            seen[order[i]] = true;
        }
    }
    wf_topology_free(topology);
}

/* Victims never come nearer along the order, and no two thieves have the same n-th victim. */
static void expect_spread(const char *machine, unsigned workers)
{
    static uint16_t order[256][256];
    wf_topology *topology = wf_topology_new_synthetic(machine);
    assert_non_null(topology);
    for (unsigned worker = 0; worker < workers; worker++) {
        enum wf_share last = WF_SHARE_CORE;
        wf_topology_victims(topology, worker, workers, order[worker]);
        for (unsigned i = 0; i + 1 < workers; i++) {
            enum wf_share share = wf_topology_share(topology, worker, order[worker][i]);
            assert_true(share >= last);
            last = share;
        }
    }
    for (unsigned i = 0; i + 1 < workers; i++) {
        bool seen[256] = {false};
        for (unsigned worker = 0; worker < workers; worker++) {
            assert_false(seen[order[worker][i]]);
            seen[order[worker][i]] = true;
        }
    }
    wf_topology_free(topology);
}

static void test_topology_equally_near_victims_are_spread_over_the_thieves(void **state)
{
    (void)state;
    expect_spread("pack:1 l3:1 l2:8 core:1 pu:2", 16);
    expect_spread("numa:2 l3:1 l2:16 core:1 pu:1", 32);
    expect_spread("numa:8 l3:2 l2:8 core:1 pu:1", 128);
    expect_spread("pack:2 numa:4 l3:4 core:4 pu:2", 256);
}

static void test_topology_share_is_the_nearest_thing(void **state)
{
    (void)state;
    wf_topology *topology = wf_topology_new_synthetic("numa:2 l3:2 core:2 pu:2");
    assert_non_null(topology);
    assert_int_equal(wf_topology_share(topology, 0, 8), WF_SHARE_CORE);
    assert_int_equal(wf_topology_share(topology, 0, 16), WF_SHARE_CORE); /* on the same processor */
    assert_int_equal(wf_topology_share(topology, 0, 9), WF_SHARE_CACHE);
    assert_int_equal(wf_topology_share(topology, 0, 3), WF_SHARE_NODE);
    assert_int_equal(wf_topology_share(topology, 0, 4), WF_SHARE_NOTHING);
    assert_int_equal(wf_topology_share(NULL, 0, 1), WF_SHARE_NOTHING);
    wf_topology_free(topology);
}

static void test_topology_node_of_the_same_package_is_nearer(void **state)
{
    (void)state;
    wf_topology *topology = wf_topology_new_synthetic("pack:2 numa:2 core:1 pu:1");
    assert_non_null(topology);
    expect_victims(topology, 0, 4, (uint16_t[]){1, 2, 3});
    expect_victims(topology, 1, 4, (uint16_t[]){0, 3, 2});
    expect_victims(topology, 3, 4, (uint16_t[]){2, 1, 0});
    wf_topology_free(topology);
}

static void test_topology_unknown_structure_gives_plain_answers(void **state)
{
    (void)state;
    errno = 9;
    assert_null(wf_topology_new_synthetic("no such thing:2"));
    assert_null(wf_topology_new_xml("/nonexistent.xml"));
    assert_int_equal(errno, 9);
    assert_int_equal(wf_topology_worker_cpu(NULL, 3, 4), -1);
    assert_int_equal(wf_topology_node(NULL, 3, 4), -1);
    expect_victims(NULL, 2, 4, (uint16_t[]){3, 0, 1});
    wf_topology_free(NULL);
}

static const char XML[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
    "<topology version=\"2.0\">\n"
    "<object type=\"Machine\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" "
    "allowed_cpuset=\"0x3\" nodeset=\"0x1\" complete_nodeset=\"0x1\" allowed_nodeset=\"0x1\" gp_index=\"1\">\n"
    "<object type=\"NUMANode\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" nodeset=\"0x1\" "
    "complete_nodeset=\"0x1\" gp_index=\"2\" local_memory=\"1024\"/>\n"
    "<object type=\"Core\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" nodeset=\"0x1\" "
    "complete_nodeset=\"0x1\" gp_index=\"3\">\n"
    "<object type=\"PU\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" nodeset=\"0x1\" "
    "complete_nodeset=\"0x1\" gp_index=\"4\"/>\n"
    "<object type=\"PU\" os_index=\"1\" cpuset=\"0x2\" complete_cpuset=\"0x2\" nodeset=\"0x1\" "
    "complete_nodeset=\"0x1\" gp_index=\"5\"/>\n"
    "</object>\n</object>\n</topology>\n";

static void test_topology_is_read_from_xml(void **state)
{
    (void)state;
    char path[] = "/tmp/weft-topology-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, XML, sizeof XML - 1), sizeof XML - 1);
    close(fd);
    wf_topology *topology = wf_topology_new_xml(path);
    unlink(path);
    assert_non_null(topology);
    assert_int_equal(wf_topology_cpus(topology), 2);
    wf_topology_free(topology);
}

static void test_topology_of_this_machine_keeps_to_the_affinity(void **state)
{
    (void)state;
    cpu_set_t all;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_int_equal(wf_topology_cpus(NULL), CPU_COUNT(&all));
    wf_topology *topology = wf_topology_new();
    assert_non_null(topology);
    assert_int_equal(wf_topology_cpus(topology), CPU_COUNT(&all));
    for (unsigned i = 0; i < wf_topology_cpus(topology); i++)
        assert_true(CPU_ISSET((size_t)wf_topology_worker_cpu(topology, i, 4), &all));
    wf_topology_free(topology);

    cpu_set_t one;
    CPU_ZERO(&one);
    size_t cpu = CPU_SETSIZE - 1;
    while (!CPU_ISSET(cpu, &all))
        cpu--;
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    unsigned plain = wf_topology_cpus(NULL);
    unsigned workers = wf_worker_count_default();
    topology = wf_topology_new();
    sched_setaffinity(0, sizeof all, &all);
    assert_int_equal(plain, 1);
    assert_int_equal(workers, 1);
    assert_non_null(topology);
    assert_int_equal(wf_topology_cpus(topology), 1);
    assert_int_equal(wf_topology_worker_cpu(topology, 0, 1), cpu);
    wf_topology_free(topology);
}

static void test_worker_count_is_the_lesser_of_affinity_and_quota(void **state)
{
    (void)state;
    unsigned cpus = wf_topology_cpus(NULL);
    unsigned quota = wf_cgroup_cpus("");
    assert_int_equal(wf_worker_count_default(), quota > 0 && quota < cpus ? quota : cpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topology_workers_take_cores_before_siblings),
        cmocka_unit_test(test_topology_siblings_numbered_apart_are_still_siblings),
        cmocka_unit_test(test_topology_victims_go_from_sibling_to_cache_to_node_to_rest),
        cmocka_unit_test(test_topology_smaller_shared_cache_is_nearer),
        cmocka_unit_test(test_topology_more_workers_than_processors_share_them),
        cmocka_unit_test(test_topology_every_victim_comes_once),
        cmocka_unit_test(test_topology_equally_near_victims_are_spread_over_the_thieves),
        cmocka_unit_test(test_topology_share_is_the_nearest_thing),
        cmocka_unit_test(test_topology_node_of_the_same_package_is_nearer),
        cmocka_unit_test(test_topology_unknown_structure_gives_plain_answers),
        cmocka_unit_test(test_topology_is_read_from_xml),
        cmocka_unit_test(test_topology_of_this_machine_keeps_to_the_affinity),
        cmocka_unit_test(test_worker_count_is_the_lesser_of_affinity_and_quota),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
