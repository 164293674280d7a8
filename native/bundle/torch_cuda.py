"""PyTorch on the GPU: the same sums as users write them. The only argument: elements of a tensor."""
import sys

import torch

elements = int(sys.argv[1])


def milliseconds(work):
    times = []
    for run in range(14):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        end.synchronize()
        if run >= 3:
            times.append(start.elapsed_time(end))
    return sorted(times)[len(times) // 2]


print(f"PyTorch {torch.__version__}")
for dtype in (torch.bfloat16, torch.float32):
    models = [torch.randn(elements, dtype=dtype, device="cuda") for _ in range(4)]
    weights = torch.full((4, 1), 0.25, dtype=dtype, device="cuda")
    out = torch.empty_like(models[0])

    def chain():
        torch.mul(models[0], 0.25, out=out)
        for model in models[1:]:
            out.add_(model, alpha=0.25)

    print(f"{'copy ' + str(dtype):<40} {milliseconds(lambda: out.copy_(models[0])):10.4f} ms")
    print(f"{'stack, multiply, sum of 4 ' + str(dtype):<40} {milliseconds(lambda: (torch.stack(models) * weights).sum(0)):10.4f} ms")
    print(f"{'in-place chain of 4 ' + str(dtype):<40} {milliseconds(chain):10.4f} ms")
    del models, out
    torch.cuda.empty_cache()
