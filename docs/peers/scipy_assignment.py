"""Fusor's linear assignment beside SciPy's, on the same costs, one after the other, for the ratios in docs/measured.md.

Run with Debian's python3-scipy, after mvn -B -DskipTests package:
    FUSOR_JAVA=.../bin/java /usr/bin/python3 docs/peers/scipy_assignment.py SIZES [FAMILY ...]
SIZES are separated by commas. SciPy gets float64, which it would convert to, and the conversion is not timed. Times are
seconds, best and median, the ratios SciPy's over Fusor's; "first" is Fusor's first solution in a JVM, nothing compiled yet.
"""
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import scipy
from scipy.optimize import linear_sum_assignment

FAMILIES = ["UNIFORM", "GAUSSIAN_DOT", "TIES", "RANK_ONE", "CONSTANT", "GEOMETRIC", "PRODUCT"]
JAVA = [os.environ.get("FUSOR_JAVA", "java"), "--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED",
        "-cp", "target/classes:target/test-classes", "dev.fusor.assign.BenchmarkCosts"]


def fusor(family, size, runs, path):
    words = subprocess.run(JAVA + [family, str(size), str(runs), path], check=True, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True).stdout.split()
    return words[0], words[1] == "MAXIMISE", [float(word) for word in words[2:]]


def compare(family, size):
    quadratic_paths = family in ("RANK_ONE", "PRODUCT")
    runs = 100 if size <= 1024 else 20 if size <= 2048 else 7
    runs = max(2, runs // (5 if size <= 1024 else 20)) if quadratic_paths else runs
    with tempfile.NamedTemporaryFile() as file:
        dtype, maximise, (objective, bound, first, *ours) = fusor(family, size, runs, file.name)
        costs = np.fromfile(file.name, np.int32 if dtype == "I32" else np.float32).reshape(size, size)
    costs = costs.astype(np.float64)
    theirs = []
    for _ in range(1 if quadratic_paths and size > 1024 else 15 if size <= 1024 else 5 if size <= 4096 else 2):
        start = time.perf_counter()
        rows, columns = linear_sum_assignment(costs, maximize=maximise)
        theirs.append(time.perf_counter() - start)
    reference = math.fsum(costs[rows, columns])
    agreement = "equal" if reference == objective else f"differs by {objective - reference:.3g}"
    best, median = min(ours), statistics.median(ours)
    print(f"{family:13s} {size:5d} {first:7.3f} {best:8.4f} {median:8.4f} {min(theirs):9.4f} {statistics.median(theirs):9.4f}"
          f" {min(theirs) / best:6.1f} {statistics.median(theirs) / median:6.1f}  {objective!r} {agreement}, bound {bound:.2g}",
          flush=True)


def main():
    print("scipy", scipy.__version__, "numpy", np.__version__, flush=True)
    print(f"{'':19s} {'first':>7s} {'Fusor best, median':>17s} {'SciPy best, median':>19s} {'ratios':>13s}  objective", flush=True)
    for family in sys.argv[2:] or FAMILIES:
        for size in sys.argv[1].split(","):
            compare(family, int(size))


main()
