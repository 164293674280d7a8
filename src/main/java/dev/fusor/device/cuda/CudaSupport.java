package dev.fusor.device.cuda;

import java.util.List;

/** Whether CUDA can be used by this process. */
public sealed interface CudaSupport {
    /** {@return one line that says what was found, and what to do if it is not good} */
    String describe();

    /**
     * There is a driver that is new enough, and at least one device.
     *
     * @param driverVersion as the driver counts: 1000 times the major version of CUDA and 10 times the minor
     * @param devices at least one
     */
    record Ready(int driverVersion, List<CudaDeviceInfo> devices) implements CudaSupport {
        /** Keeps a copy. */
        public Ready {
            devices = List.copyOf(devices);
        }

        @Override
        public String describe() {
            return "driver for CUDA " + CudaDriver.version(driverVersion) + "; "
                    + String.join("; ", devices.stream().map(CudaDeviceInfo::describe).toList());
        }
    }

    /**
     * There is not.
     *
     * @param reason why
     * @param remedy what to do about it
     */
    record Unusable(String reason, String remedy) implements CudaSupport {
        @Override
        public String describe() {
            return reason + "; " + remedy;
        }
    }
}
