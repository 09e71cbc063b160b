/* Which processors there are, which are near each other, and how many workers that makes.
 *
 * Used when the runtime starts; nothing here is quick. The count needs no hwloc. wf_topology_new loads hwloc's picture of the
 * machine, structure only, restricted to the processors that this process may use (2.4 ms instead of 19 ms). Where that
 * fails it returns NULL, and every other function takes NULL for a machine about whose structure nothing is known.
 * errno stays as it is.
 */
#ifndef WF_CORE_TOPOLOGY_H
#define WF_CORE_TOPOLOGY_H

#include <stdint.h>

typedef struct wf_topology wf_topology;

wf_topology *wf_topology_new(void);
/* From a description of hwloc's, such as "numa:2 l3:1 core:4 pu:2"; for tests. */
wf_topology *wf_topology_new_synthetic(const char *description);
/* From a file that lstopo wrote. */
wf_topology *wf_topology_new_xml(const char *path);
void wf_topology_free(wf_topology *topology);

/* Processors (hardware threads) that this process may use; at least 1. */
unsigned wf_topology_cpus(const wf_topology *topology);

/* Number, as the kernel counts, of the processor for a worker: one on every core before a second on any. With more workers
 * than processors they are dealt out again from the first. -1: not known. */
int wf_topology_worker_cpu(const wf_topology *topology, unsigned worker, unsigned workers);

/* The nearest thing that the processors of two workers have in common. */
enum wf_share { WF_SHARE_CORE, WF_SHARE_CACHE, WF_SHARE_NODE, WF_SHARE_NOTHING, WF_SHARE_KINDS };

enum wf_share wf_topology_share(const wf_topology *topology, unsigned one, unsigned other);

/* The other workers, nearest first: same processor or core, shared cache (the smallest first), NUMA node, package, the rest.
 * Equally near ones begin with another one for each thief: where one core, cache or node has as many workers as the next, the
 * n-th victims of all thieves differ. `order` has room for workers - 1. */
void wf_topology_victims(const wf_topology *topology, unsigned worker, unsigned workers, uint16_t *order);

/* The NUMA node, as the kernel counts, of a worker's processor; -1: not known. */
int wf_topology_node(const wf_topology *topology, unsigned worker, unsigned workers);

/* How many workers there should be: processors that this process may use, or CPUs of its quota if that is less; at least 1.
 * Cheap enough to be asked again while running, about once a second. */
unsigned wf_worker_count_default(void);

#endif
