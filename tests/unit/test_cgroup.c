/* core/cgroup: over made-up trees in a temporary folder. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cgroup.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/weft-cgroup-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Write a file below the root, with the folders on the way. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = 0;
        mkdir(full, 0700);
        *at = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char V2_MOUNT[] = "22 1 0:5 / /proc rw - proc proc rw\n"
                               "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
static const char V1_MOUNT[] =
    "30 23 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "31 23 0:28 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n"
    "32 23 0:29 / /sys/fs/cgroup/cpu,cpuset\\040odd rw master:1 shared:2 - cgroup cgroup rw,cpu,cpuset\n";

static void test_cgroup_nothing_there_is_no_limit(void **state)
{
    (void)state;
    errno = 7;
    assert_int_equal(wf_cgroup_cpus(root), 0);
    assert_int_equal(wf_cgroup_cpus("/nonexistent"), 0);
    assert_int_equal(errno, 7);
}

static void test_cgroup_v2_quota_is_rounded_up(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned cpus;
    } cases[] = {
        {"200000 100000\n", 2},
        {"200001 100000\n", 3},
        {"150000 100000\n", 2},
        {"1000 100000\n", 1},
        {"max 100000\n", 0},
        {"25000 50000\n", 1},
        {"", 0},
        {"100000 0\n", 0},
        {"junk more\n", 0},
        {"1600000 100000\n", 16},
    };
    put("/proc/self/cgroup", "0::/user/job\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put("/sys/fs/cgroup/user/job/cpu.max", cases[i].text);
        assert_int_equal(wf_cgroup_cpus(root), cases[i].cpus);
    }
}

static void test_cgroup_v2_least_quota_of_all_ancestors_counts(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "800000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 3);
    put("/sys/fs/cgroup/a/b/c/cpu.max", "50000 100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 1);
}

static void test_cgroup_v2_top_group_in_a_namespace_is_read(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 4);
}

static void test_cgroup_v1_quota_and_period_are_read(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "5:cpuacct:/else\n4:cpuset,cpu:/job/one\n1:name=systemd:/x\n");
    put("/proc/self/mountinfo", V1_MOUNT);
    put("/sys/fs/cgroup/cpu,cpuset odd/job/one/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuset odd/job/one/cpu.cfs_period_us", "100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 0);
    put("/sys/fs/cgroup/cpu,cpuset odd/job/cpu.cfs_quota_us", "250000\n");
    put("/sys/fs/cgroup/cpu,cpuset odd/job/cpu.cfs_period_us", "100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 3);
    put("/sys/fs/cgroup/cpu,cpuset odd/job/one/cpu.cfs_quota_us", "100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 1);
}

/* A container sees its own group at the mount point, while /proc/self/cgroup gives the path from the top. */
static void test_cgroup_mount_of_a_part_leaves_out_the_part_above(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:cpu:/docker/0123/inner\n");
    put("/proc/self/mountinfo", "32 23 0:29 /docker/0123 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "600000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 6);
    put("/sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us", "500000\n");
    put("/sys/fs/cgroup/cpu/inner/cpu.cfs_period_us", "100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 5);
}

static void test_cgroup_mount_of_another_group_is_read_at_its_mount_point(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/../other\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 2);
}

static void test_cgroup_hybrid_takes_the_lesser_of_both(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "4:cpu:/one\n0::/two\n");
    put("/proc/self/mountinfo", "32 23 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                                "33 23 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/cpu/one/cpu.cfs_quota_us", "700000\n");
    put("/sys/fs/cgroup/cpu/one/cpu.cfs_period_us", "100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 7);
    put("/sys/fs/cgroup/unified/two/cpu.max", "300000 100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 3);
}

static void test_cgroup_long_lines_of_mountinfo_do_no_harm(void **state)
{
    (void)state;
    char *text = malloc(200000);
    strcpy(text, "21 1 0:3 / /overlay rw - overlay overlay rw,lowerdir=");
    memset(text + strlen(text), 'x', 150000);
    strcpy(text + 150053, "\nshort\n\n1 2 3 4 5 6\n1 2 3 4 5 6 - \n");
    strcat(text, V2_MOUNT);
    put("/proc/self/cgroup", "nonsense\n:\n::\n0::/j\n");
    put("/proc/self/mountinfo", text);
    put("/sys/fs/cgroup/j/cpu.max", "900000 100000\n");
    assert_int_equal(wf_cgroup_cpus(root), 9);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cgroup_nothing_there_is_no_limit),
        TEST(test_cgroup_v2_quota_is_rounded_up),
        TEST(test_cgroup_v2_least_quota_of_all_ancestors_counts),
        TEST(test_cgroup_v2_top_group_in_a_namespace_is_read),
        TEST(test_cgroup_v1_quota_and_period_are_read),
        TEST(test_cgroup_mount_of_a_part_leaves_out_the_part_above),
        TEST(test_cgroup_mount_of_another_group_is_read_at_its_mount_point),
        TEST(test_cgroup_hybrid_takes_the_lesser_of_both),
        TEST(test_cgroup_long_lines_of_mountinfo_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
