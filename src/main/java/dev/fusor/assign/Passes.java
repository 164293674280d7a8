package dev.fusor.assign;

import dev.fusor.device.CpuDevice;

/** How the tasks of a pass over the costs are run: by all threads, or by the one that has the problem. */
@FunctionalInterface
interface Passes {
    /** On the calling thread. */
    Passes ALONE = (tasks, task) -> {
        for (long number = 0; number < tasks; number++) {
            task.run(number);
        }
    };

    void run(long tasks, CpuDevice.Task task);
}
