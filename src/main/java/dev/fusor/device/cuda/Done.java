package dev.fusor.device.cuda;

import dev.fusor.bindings.cuda.LibCuda;

/** The answer to a query. */
final class Done {
    private Done() {}

    static boolean of(int result, String function) {
        if (result != LibCuda.CUDA_SUCCESS() && result != LibCuda.CUDA_ERROR_NOT_READY()) {
            throw Api.failure(result, function, "asking whether work is done");
        }
        return result == LibCuda.CUDA_SUCCESS();
    }
}
