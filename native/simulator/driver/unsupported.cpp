// Functions that are there so that other clients load, and say that they are not supported. Without cuda.h: their parameters do not matter.
#define FUSOR_SIM_UNSUPPORTED(name)                                              \
    extern "C" __attribute__((visibility("default"))) int name(void) {           \
        constexpr int kNotSupported = 801;                                       \
        return kNotSupported;                                                    \
    }
#include "unsupported.inc"
