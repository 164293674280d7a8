"""The same work in PyTorch on the CPU, for the ratios in docs/measured.md.

Run with Debian's python3-torch: /usr/bin/python3 docs/peers/torch_peers.py
Times are seconds, the best and the median of the runs; sizes as in the JMH benchmarks.
"""
import statistics
import time

import torch


def timed(name, work, runs):
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    print(f"{name:45s} best {min(times):8.4f} s  median {statistics.median(times):8.4f} s", flush=True)


def models(n, count, dtype):
    generator = torch.Generator().manual_seed(1)
    base = torch.randn(n, generator=generator) * 0.02
    out = [base.to(dtype)]
    for _ in range(count):
        out.append((base + torch.randn(n, generator=generator) * 2e-4).to(dtype))
    return out


def axpy_chain(xs, out):
    torch.mul(xs[0], 0.25, out=out)
    for x in xs[1:]:
        out.add_(x, alpha=0.25)


def trim(delta, k):
    mask = torch.zeros_like(delta)
    mask[torch.argsort(delta.abs(), descending=True)[:k]] = 1
    return delta * mask


def ties(base, xs, density):
    k = int(density * base.numel())
    deltas = torch.stack([trim(x - base, k) for x in xs])
    sign = torch.where(deltas.sum(dim=0) >= 0, 1.0, -1.0)
    mask = torch.sign(deltas) == sign
    divisor = mask.sum(dim=0)
    divisor[divisor == 0] = 1
    return base + (deltas * mask).sum(dim=0) / divisor


def main():
    torch.set_num_threads(2)
    print("torch", torch.__version__, "threads", torch.get_num_threads(), flush=True)
    for dtype in (torch.bfloat16, torch.float32):
        xs = models(1 << 27, 4, dtype)[1:]
        out = torch.ones_like(xs[0])
        timed(f"weighted sum of 4, 2^27 {dtype}, axpy in place", lambda: axpy_chain(xs, out), 7)
        del xs, out
    base, *xs = models(1 << 24, 3, torch.float32)
    k = int(0.2 * base.numel())
    timed("argsort of 2^24 float32 magnitudes", lambda: torch.argsort(xs[0].abs(), descending=True), 3)
    timed("kthvalue of 2^24 float32 magnitudes", lambda: torch.kthvalue(xs[0].abs(), base.numel() - k + 1), 5)
    timed("ties of 3 models of 2^24 float32, argsort", lambda: ties(base, xs, 0.2), 3)


main()
