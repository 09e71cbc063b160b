/* Placement of workers on hwloc's tree.
 *
 * hwloc numbers cores and processors so that neighbours in its order share most. Workers take the first processor of each
 * core in that order, then the second ones: few workers on a large machine stay close together, and no two share a core
 * while there is another.
 */
#include "core/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>

#include "core/alloc.h"
#include "core/cgroup.h"
#include "core/syscall.h"

struct wf_topology {
    hwloc_topology_t tree;
    unsigned count; /* of places, at least 1 */
    struct {
        hwloc_obj_t pu; /* of the i-th place, in the order in which workers take them */
        unsigned nth;   /* which place is the processor that is the i-th for hwloc */
    } places[];
};

/* ---- loading ---- */

/* The processors, every core's first one before any core's second. */
static void fill_places(wf_topology *topology)
{
    unsigned all = topology->count;
    unsigned placed = 0;
    for (unsigned turn = 0; placed < all; turn++) {
        unsigned in_core = 0;
        hwloc_obj_t core = NULL;
        for (unsigned i = 0; i < all; i++) {
            hwloc_obj_t pu = hwloc_get_obj_by_type(topology->tree, HWLOC_OBJ_PU, i);
            hwloc_obj_t its_core = hwloc_get_ancestor_obj_by_type(topology->tree, HWLOC_OBJ_CORE, pu);
            in_core = its_core != NULL && its_core == core ? in_core + 1 : 0;
            core = its_core;
            if (in_core == turn) {
                topology->places[i].nth = placed;
                topology->places[placed++].pu = pu;
            }
        }
    }
}

/* Load what has been configured; takes over the tree. */
static wf_topology *load(hwloc_topology_t tree, unsigned long flags)
{
    hwloc_topology_set_io_types_filter(tree, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(tree, HWLOC_OBJ_MISC, HWLOC_TYPE_FILTER_KEEP_NONE);
    if (hwloc_topology_set_flags(tree, flags) != 0 || hwloc_topology_load(tree) != 0)
        goto destroy;
    int count = hwloc_get_nbobjs_by_type(tree, HWLOC_OBJ_PU);
    if (count <= 0)
        goto destroy;
    wf_topology *topology = wf_alloc(sizeof *topology + (unsigned)count * sizeof topology->places[0]);
    if (topology == NULL)
        goto destroy;
    topology->tree = tree;
    topology->count = (unsigned)count;
    fill_places(topology);
    return topology;

destroy:
    hwloc_topology_destroy(tree);
    return NULL;
}

wf_topology *wf_topology_new(void)
{
    int saved = errno;
    hwloc_topology_t tree;
    wf_topology *topology = NULL;
    if (hwloc_topology_init(&tree) == 0)
        topology = load(tree, HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM | HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING);
    errno = saved;
    return topology;
}

static wf_topology *load_from(const char *text, int (*set)(hwloc_topology_t, const char *))
{
    int saved = errno;
    hwloc_topology_t tree;
    wf_topology *topology = NULL;
    if (hwloc_topology_init(&tree) == 0) {
        if (set(tree, text) == 0)
            topology = load(tree, 0);
        else
            hwloc_topology_destroy(tree);
    }
    errno = saved;
    return topology;
}

wf_topology *wf_topology_new_synthetic(const char *description)
{
    return load_from(description, hwloc_topology_set_synthetic);
}

wf_topology *wf_topology_new_xml(const char *path)
{
    return load_from(path, hwloc_topology_set_xml);
}

void wf_topology_free(wf_topology *topology)
{
    if (topology == NULL)
        return;
    int saved = errno;
    hwloc_topology_destroy(topology->tree);
    wf_free(topology);
    errno = saved;
}

/* ---- counting ---- */

/* Processors in this thread's affinity mask; 0: cannot be told. The kernel wants a mask as large as its own, whose size it
 * does not tell, so the buffer grows. */
static unsigned count_affinity(void)
{
    unsigned count = 0;
    for (size_t size = 128; size <= 1 << 16; size *= 2) {
        unsigned long *mask = wf_alloc(size);
        if (mask == NULL)
            break;
        long written = wf_syscall3(SYS_sched_getaffinity, 0, size, mask);
        for (long i = 0; i < written / (long)sizeof *mask; i++)
            count += (unsigned)__builtin_popcountl(mask[i]);
        wf_free(mask);
        if (written != -EINVAL)
            break;
    }
    return count;
}

unsigned wf_topology_cpus(const wf_topology *topology)
{
    if (topology != NULL)
        return topology->count;
    unsigned count = count_affinity();
    return count > 0 ? count : 1;
}

unsigned wf_worker_count_default(void)
{
    unsigned count = wf_topology_cpus(NULL);
    unsigned quota = wf_cgroup_cpus("");
    return quota > 0 && quota < count ? quota : count;
}

/* ---- placing ---- */

static hwloc_obj_t place_of(const wf_topology *topology, unsigned worker)
{
    return topology->places[worker % topology->count].pu;
}

int wf_topology_worker_cpu(const wf_topology *topology, unsigned worker, unsigned workers)
{
    (void)workers;
    return topology == NULL ? -1 : (int)place_of(topology, worker)->os_index;
}

int wf_topology_node(const wf_topology *topology, unsigned worker, unsigned workers)
{
    (void)workers;
    if (topology == NULL)
        return -1;
    return hwloc_bitmap_first(place_of(topology, worker)->nodeset);
}

/* Greater is nearer. Objects that are deeper in the tree hold fewer processors, so among shared caches depth decides, and among
 * what is more than a node (a package, the machine) too. */
enum { NODE = 1 << 8, CACHE = 1 << 9, CORE = 1 << 10, SELF };

static int nearness(const wf_topology *topology, unsigned one, unsigned other)
{
    hwloc_obj_t a = place_of(topology, one);
    hwloc_obj_t b = place_of(topology, other);
    hwloc_obj_t common = a == b ? a : hwloc_get_common_ancestor_obj(topology->tree, a, b);
    for (hwloc_obj_t shared = common; shared != NULL; shared = shared->parent) {
        if (shared->type == HWLOC_OBJ_CORE || shared->type == HWLOC_OBJ_PU)
            return CORE;
        if (hwloc_obj_type_is_cache(shared->type))
            return CACHE + shared->depth;
    }
    return hwloc_bitmap_isequal(a->nodeset, b->nodeset) ? NODE : common->depth;
}

enum wf_share wf_topology_share(const wf_topology *topology, unsigned one, unsigned other)
{
    int how_near = topology == NULL ? 0 : nearness(topology, one, other);
    if (how_near >= CORE)
        return WF_SHARE_CORE;
    if (how_near >= CACHE)
        return WF_SHARE_CACHE;
    return how_near == NODE ? WF_SHARE_NODE : WF_SHARE_NOTHING;
}

/* ---- victims ---- */

/* All workers, in hwloc's order of their processors: those that share something stand together. */
typedef struct neighbour {
    uint16_t worker;
    uint16_t in_ring; /* scratch of add_ring */
    int near;         /* to whom the order is for */
} neighbour;

static void line_up(const wf_topology *topology, unsigned worker, unsigned workers, neighbour *line)
{
    unsigned placed = 0;
    for (unsigned i = 0; i < topology->count; i++)
        for (unsigned other = topology->places[i].nth; other < workers; other += topology->count)
            line[placed++].worker = (uint16_t)other;
    for (unsigned i = 0; i < workers; i++)
        line[i].near = line[i].worker == worker ? SELF : nearness(topology, worker, line[i].worker);
}

/* Append those that are exactly so near. They and all nearer ones form a ring, in which the nearer ones stand together; the order
 * begins as many places after the worker itself as that makes. So where a node has 16 workers its fifth one begins with the fifth
 * of the next node, and not all with the first. */
static unsigned add_ring(neighbour *line, unsigned workers, int near, uint16_t *order)
{
    unsigned size = 0;
    unsigned begin = 0;
    unsigned added = 0;
    for (unsigned i = 0; i < workers; i++) {
        if (line[i].near == SELF)
            begin += size;
        begin += line[i].near > near;
        if (line[i].near >= near)
            line[size++].in_ring = (uint16_t)i;
    }
    for (unsigned i = 0; i < size; i++) {
        const neighbour *other = &line[line[(begin + i) % size].in_ring];
        if (other->near == near)
            order[added++] = other->worker;
    }
    return added;
}

static int next_nearest(const neighbour *line, unsigned workers, int near)
{
    int next = 0;
    for (unsigned i = 0; i < workers; i++)
        if (line[i].near < near && line[i].near > next)
            next = line[i].near;
    return next;
}

void wf_topology_victims(const wf_topology *topology, unsigned worker, unsigned workers, uint16_t *order)
{
    neighbour *line = topology == NULL ? NULL : wf_alloc(workers * sizeof *line);
    if (line == NULL) {
        for (unsigned step = 1; step < workers; step++)
            order[step - 1] = (uint16_t)((worker + step) % workers);
        return;
    }
    line_up(topology, worker, workers, line);
    unsigned count = 0;
    for (int near = SELF; count + 1 < workers;) {
        near = next_nearest(line, workers, near);
        count += add_ring(line, workers, near, order + count);
    }
    wf_free(line);
}
