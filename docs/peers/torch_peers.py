"""The same work in PyTorch on the CPU, for the ratios in docs/measured.md.

Run with Debian's python3-torch: /usr/bin/python3 docs/peers/torch_peers.py [sum] [copy] [trim] [ties] [ensemble]
Times are seconds, the best and the median of the runs; sizes as in the JMH benchmarks. GB/s are of the fewest bytes
the result needs: every input read once, the output written once.
"""
import statistics
import sys
import time

import torch


def timed(name, work, runs, least_bytes=None):
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    best, median = min(times), statistics.median(times)
    rate = f"  best {least_bytes / best / 1e9:6.2f}  median {least_bytes / median / 1e9:6.2f} GB/s" if least_bytes else ""
    print(f"{name:45s} best {best:8.4f} s  median {median:8.4f} s{rate}", flush=True)


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


def mean_of_probabilities(logits):
    mean = torch.softmax(logits[0], dim=-1)
    for z in logits[1:]:
        mean += torch.softmax(z, dim=-1)
    mean /= len(logits)
    return mean.argmax(dim=-1)


def mean_of_logits(logits):
    mean = logits[0] + logits[1]
    for z in logits[2:]:
        mean += z
    mean /= len(logits)
    return mean.argmax(dim=-1)


def ensemble():
    generator = torch.Generator().manual_seed(1)
    logits = [3 * torch.randn(256, 128256, generator=generator) for _ in range(4)]
    size = sum(z.numel() * z.element_size() for z in logits)
    timed("argmax of mean probabilities, 4 x 256 x 128256 float32", lambda: mean_of_probabilities(logits), 7, size)
    timed("argmax of mean logits, 4 x 256 x 128256 float32", lambda: mean_of_logits(logits), 7, size)


def main():
    torch.set_num_threads(2)
    print("torch", torch.__version__, "threads", torch.get_num_threads(), flush=True)
    wanted = sys.argv[1:] or ["copy", "sum", "trim", "ties", "ensemble"]
    n = 1 << 27
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        size = torch.empty(0, dtype=dtype).element_size() * n
        if "sum" in wanted or "copy" in wanted:
            xs = models(n, 4, dtype)[1:]
            out = torch.ones_like(xs[0])
        if "copy" in wanted:
            timed(f"copy of 2^27 {dtype}", lambda: out.copy_(xs[0]), 10, 2 * size)
        if "sum" in wanted:
            timed(f"weighted sum of 4, 2^27 {dtype}, axpy in place", lambda: axpy_chain(xs, out), 10, 5 * size)
        xs = out = None
    base, *xs = models(1 << 24, 3, torch.float32)
    k = int(0.2 * base.numel())
    if "trim" in wanted:
        timed("argsort of 2^24 float32 magnitudes", lambda: torch.argsort(xs[0].abs(), descending=True), 3)
        timed("kthvalue of 2^24 float32 magnitudes", lambda: torch.kthvalue(xs[0].abs(), base.numel() - k + 1), 5)
    if "ties" in wanted:
        timed("ties of 3 models of 2^24 float32, argsort", lambda: ties(base, xs, 0.2), 3)
    if "ensemble" in wanted:
        ensemble()


main()
