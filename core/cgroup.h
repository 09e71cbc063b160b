/* How much CPU the control groups leave to this process. */
#ifndef WF_CORE_CGROUP_H
#define WF_CORE_CGROUP_H

/* The CPU quota of this process: the least over its group and all the groups above that can be seen, of version 2
 * (cpu.max) and version 1 (cpu.cfs_quota_us, cpu.cfs_period_us), in whole CPUs, rounded up. 0: none is set, or none can be
 * read. `root` stands before every path: "" for the real system, a folder with a made-up tree in tests. Reads about ten
 * small files; errno stays as it is. Any thread. */
unsigned wf_cgroup_cpus(const char *root);

#endif
