/* weft: stackful coroutines over one OS thread per core. This header includes all the others. */
#ifndef WEFT_H
#define WEFT_H

#include "weft/base.h"
#include "weft/channel.h"
#include "weft/coroutine.h"
#include "weft/fork.h"
#include "weft/future.h"
#include "weft/generator.h"
#include "weft/io.h"
#include "weft/link.h"
#include "weft/net.h"
#include "weft/offload.h"
#include "weft/pool.h"
#include "weft/queue.h"
#include "weft/runtime.h"
#include "weft/scope.h"
#include "weft/select.h"
#include "weft/switch.h"
#include "weft/sync.h"
#include "weft/timeout.h"
#include "weft/tree.h"
#include "weft/wait.h"

#endif
