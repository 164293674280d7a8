"""Products of float32 matrices in NumPy and PyTorch on the CPU, for the ratios in docs/measured.md.

Run with Debian's python3-numpy and python3-torch, once for each number of threads:
OPENBLAS_NUM_THREADS=1 /usr/bin/python3 docs/peers/sgemm.py 1
GFLOP/s of A (units x columns) times the transpose of B, the best and the median of seven runs.
"""
import statistics
import sys
import time

import numpy
import torch


def rates(work, operations):
    work()
    times = []
    for _ in range(7):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return f"best {operations / min(times) / 1e9:6.1f}  median {operations / statistics.median(times) / 1e9:6.1f}"


def main():
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    for units in 512, 4096:
        a, b = (numpy.random.default_rng(seed).standard_normal((units, 4096), dtype=numpy.float32) for seed in (1, 2))
        operations = 2 * units * units * 4096
        print(f"{units} units, {threads} threads: NumPy {rates(lambda: a @ b.T, operations)}", flush=True)
        x, y = torch.from_numpy(a), torch.from_numpy(b)
        print(f"{units} units, {threads} threads: PyTorch {rates(lambda: x @ y.T, operations)}", flush=True)


main()
