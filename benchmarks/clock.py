"""The clock: it needs nothing but the standard library."""

import gc
import time
from collections import namedtuple

Times = namedtuple("Times", "wall cpu")


def measure_time(run) -> Times:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return Times(time.perf_counter() - wall, time.process_time() - cpu)
