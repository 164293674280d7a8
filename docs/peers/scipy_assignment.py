"""Fusor's linear assignment beside SciPy's, on the same costs, one after the other, for the ratios in docs/measured.md.

Run with Debian's python3-scipy, after mvn -B -DskipTests package:
    /usr/bin/python3 docs/peers/scipy_assignment.py SIZES [FAMILY ...]
SIZES are separated by commas. SciPy gets float64, which it would convert to, and the conversion is not timed. Times are
seconds, medians (SciPy's the only one from 4096 on); "first" is Fusor's first solution in a JVM, its loops not compiled yet.
"""
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
    return words[0], words[1] == "MAXIMISE", *map(float, words[2:])


def main():
    print("scipy", scipy.__version__, "numpy", np.__version__, flush=True)
    print(f"{'family':13s} {'size':>5s} {'first':>8s} {'Fusor':>8s} {'SciPy':>8s} ratio  objective", flush=True)
    sizes = [int(size) for size in sys.argv[1].split(",")]
    for family in sys.argv[2:] or FAMILIES:
        for size in sizes:
            slow = family in ("RANK_ONE", "PRODUCT") and size > 1024
            with tempfile.NamedTemporaryFile() as file:
                dtype, maximise, first, ours, objective, bound = fusor(family, size, 2 if slow else 25 if size < 4096 else 9,
                                                                       file.name)
                costs = np.fromfile(file.name, np.int32 if dtype == "I32" else np.float32).reshape(size, size)
            costs = costs.astype(np.float64)
            times = []
            for _ in range(1 if slow or size >= 4096 else 5):
                start = time.perf_counter()
                rows, columns = linear_sum_assignment(costs, maximize=maximise)
                times.append(time.perf_counter() - start)
            theirs = statistics.median(times)
            reference = float(np.sum(costs[rows, columns], dtype=np.longdouble))
            agreement = "equal" if reference == objective else f"differs by {objective - reference:.3g}"
            print(f"{family:13s} {size:5d} {first:8.4f} {ours:8.4f} {theirs:8.4f} {theirs / ours:5.1f}  {objective!r} {agreement}, "
                  f"bound {bound:.2g}", flush=True)


main()
