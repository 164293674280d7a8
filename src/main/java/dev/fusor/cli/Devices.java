package dev.fusor.cli;

import dev.fusor.device.cuda.CudaDriver;
import dev.fusor.device.cuda.CudaSupport;
import dev.fusor.merge.MergeException;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What {@code --device} names. */
final class Devices {
    private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,4}))?");

    private Devices() {}

    /**
     * {@return the CUDA device, or nothing for the CPU} {@code auto} is the CPU: a merge of checkpoints reads each byte once, from a
     * disk that no device makes faster, and no measurement says otherwise yet (docs/measured.md).
     */
    static OptionalInt parse(String device) throws MergeException {
        if (device.equals("auto") || device.equals("cpu")) {
            return OptionalInt.empty();
        }
        Matcher cuda = CUDA.matcher(device);
        if (!cuda.matches()) {
            throw new UsageException("--device is auto, cpu, cuda or cuda:N, got '" + device + "'");
        }
        int ordinal = cuda.group(1) == null ? 0 : Integer.parseInt(cuda.group(1));
        return switch (CudaDriver.probe()) {
            case CudaSupport.Unusable unusable -> throw new MergeException(
                    "--device %s cannot be used: %s".formatted(device, unusable.describe()));
            case CudaSupport.Ready ready -> {
                if (ordinal >= ready.devices().size()) {
                    throw new MergeException("--device %s is not there: wanted cuda:0 to cuda:%d; %s"
                            .formatted(device, ready.devices().size() - 1, ready.describe()));
                }
                yield OptionalInt.of(ordinal);
            }
        };
    }
}
