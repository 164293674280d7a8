// Libraries: modules that belong to no context. Where a kernel of one is used, it is loaded into the context that is current there.
#include <cstring>

#include "driver.h"

using namespace fusor::sim;

namespace {

Library* libraryOf(CUlibrary handle) {
    auto found = driver().libraries.find(handle);
    return found == driver().libraries.end() ? nullptr : found->second.get();
}

Kernel* kernelOf(CUkernel handle) {
    auto found = driver().kernels.find(handle);
    return found == driver().kernels.end() ? nullptr : found->second;
}

FunctionSettings& settingsOf(Kernel& kernel, CUdevice device) {
    return kernel.settings.try_emplace(device, initialSettings(*kernel.entry)).first->second;
}

}  // namespace

namespace fusor::sim {

Function* functionOf(Kernel& kernel, Context& context, CUresult& result) {
    std::shared_ptr<LoadedModule>& module = kernel.library->loaded[&context];
    if (module == nullptr) {
        result = checkTarget(*kernel.library->code->module, architectureOf(context), driver().report);
        module = result == CUDA_SUCCESS ? loadCode(kernel.library->code, context) : nullptr;
        if (module == nullptr) {
            kernel.library->loaded.erase(&context);
            result = result == CUDA_SUCCESS ? CUDA_ERROR_OUT_OF_MEMORY : result;
            return nullptr;
        }
        for (const auto& other : kernel.library->kernels) {
            functionNamed(*module, other->entry->name)->settings = settingsOf(*other, context.device);
        }
    }
    result = CUDA_SUCCESS;
    return functionNamed(*module, kernel.entry->name);
}

}  // namespace fusor::sim

FUSOR_SIM_API cuLibraryLoadData(CUlibrary* out, const void* image, CUjit_option* options, void** values, unsigned int count, CUlibraryOption*,
                                void**, unsigned int libraryOptions) {
    FUSOR_SIM_CALL
    if (out == nullptr || libraryOptions != 0) {
        return out == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_SUPPORTED;
    }
    auto library = std::make_shared<Library>();
    library->what = "library";
    library->call = currentCall();
    if (const CUresult result = readImage(image, nullptr, count, options, values, library->code); result != CUDA_SUCCESS) {
        return result;
    }
    const Module& module = *library->code->module;
    for (std::uint32_t i = 0; i < module.entryCount; i++) {
        auto kernel = std::make_unique<Kernel>();
        kernel->library = library.get();
        kernel->entry = &module.entries[i];
        driver().kernels[kernel.get()] = kernel.get();
        library->kernels.push_back(std::move(kernel));
    }
    *out = reinterpret_cast<CUlibrary>(library.get());
    driver().libraries[library.get()] = std::move(library);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuLibraryUnload(CUlibrary handle) {
    FUSOR_SIM_CALL
    Library* library = libraryOf(handle);
    if (library == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    CUresult result = CUDA_SUCCESS;
    for (auto& [key, module] : library->loaded) {
        const CUresult drained = drainContext(*module->context);
        result = result == CUDA_SUCCESS ? drained : result;
        unload(*module);
    }
    for (const auto& kernel : library->kernels) {
        driver().kernels.erase(kernel.get());
    }
    destroy(driver().libraries, handle);
    return result;
}

FUSOR_SIM_API cuLibraryGetKernel(CUkernel* out, CUlibrary handle, const char* name) {
    FUSOR_SIM_CALL
    const Library* library = libraryOf(handle);
    if (library == nullptr || out == nullptr || name == nullptr) {
        return library == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    for (const auto& kernel : library->kernels) {
        if (std::strcmp(kernel->entry->name, name) == 0) {
            *out = reinterpret_cast<CUkernel>(kernel.get());
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_NOT_FOUND;
}

FUSOR_SIM_API cuKernelGetFunction(CUfunction* out, CUkernel handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Kernel* kernel = kernelOf(handle);
    if (out == nullptr || kernel == nullptr) {
        return out == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
    }
    CUresult result = CUDA_SUCCESS;
    *out = reinterpret_cast<CUfunction>(functionOf(*kernel, *currentContext(), result));
    return result;
}

FUSOR_SIM_API cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel handle, CUdevice device) {
    FUSOR_SIM_CALL
    Kernel* kernel = kernelOf(handle);
    if (kernel == nullptr || !isDevice(device)) {
        return kernel == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_DEVICE;
    }
    if (value == nullptr || attribute >= CU_FUNC_ATTRIBUTE_MAX) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *value = attributeOf(*kernel->library->code, *kernel->entry, settingsOf(*kernel, device), *driver().devices[device].architecture, attribute);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel handle, CUdevice device) {
    FUSOR_SIM_CALL
    Kernel* kernel = kernelOf(handle);
    if (kernel == nullptr || !isDevice(device)) {
        return kernel == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_DEVICE;
    }
    FunctionSettings& settings = settingsOf(*kernel, device);
    const CUresult result = setAttribute(*kernel->entry, settings, *driver().devices[device].architecture, attribute, value);
    for (const auto& [context, module] : kernel->library->loaded) {
        if (result == CUDA_SUCCESS && context->device == device) {
            functionNamed(*module, kernel->entry->name)->settings = settings;
        }
    }
    return result;
}
