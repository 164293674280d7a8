// Modules: PTX text is found among the translated ones by its SHA-256, so that what runs is what was shipped, to the byte.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "driver.h"
#include "sha256.h"

using namespace fusor::sim;

namespace {

constexpr std::uint32_t kPtxMajor = 9;  // what the simulated driver reads, see kDriverVersion
constexpr std::uint32_t kPtxMinor = 0;

struct JitOptions {
    char* infoLog = nullptr;
    char* errorLog = nullptr;
    std::size_t infoBytes = 0, errorBytes = 0;
    void** infoWritten = nullptr;
    void** errorWritten = nullptr;
};

JitOptions read(unsigned count, CUjit_option* options, void** values) {
    JitOptions jit;
    for (unsigned i = 0; i < count; i++) {
        switch (options[i]) {
            case CU_JIT_INFO_LOG_BUFFER: jit.infoLog = static_cast<char*>(values[i]); break;
            case CU_JIT_ERROR_LOG_BUFFER: jit.errorLog = static_cast<char*>(values[i]); break;
            case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
                jit.infoBytes = reinterpret_cast<std::uintptr_t>(values[i]);
                jit.infoWritten = &values[i];
                break;
            case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
                jit.errorBytes = reinterpret_cast<std::uintptr_t>(values[i]);
                jit.errorWritten = &values[i];
                break;
            default: break;
        }
    }
    return jit;
}

void write(const std::string& text, char* log, std::size_t bytes, void** written) {
    std::size_t length = 0;
    if (log != nullptr && bytes > 0) {
        length = std::min(text.size(), bytes - 1);
        std::memcpy(log, text.data(), length);
        log[length] = '\0';
    }
    if (written != nullptr) {
        *written = reinterpret_cast<void*>(length);
    }
}

std::map<std::string, Resources> resourcesOf(const std::string& sha) {
    std::map<std::string, Resources> all;
    std::ifstream file(driver().modules + "/" + sha + ".resources");
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string entry, name, key;
        words >> entry >> name;
        Resources resources;
        while (words >> key) {
            std::uint32_t value = 0;
            words >> value;
            (key == "registers" ? resources.registers : key == "shared" ? resources.sharedBytes : resources.stackBytes) = value;
        }
        all[name] = resources;
    }
    return all;
}

// Whether code for a target such as "sm_80" or "sm_90a" runs on a device.
bool runsOn(const std::string& target, const Architecture& architecture) {
    const std::size_t digits = target.find_first_of("0123456789");
    if (digits == std::string::npos) {
        return false;
    }
    const int number = std::atoi(target.c_str() + digits);
    const int own = 10 * architecture.major + architecture.minor;
    const char last = target.back();
    if (last == 'a') {
        return number == own;
    }
    return last == 'f' ? number / 10 == own / 10 && number <= own : number <= own;
}

// Modules call the runtime, and find it in the global scope; this library may have been loaded outside it.
void exportRuntime() {
    static const bool done = [] {
        Dl_info self{};
        return dladdr(reinterpret_cast<const void*>(&runsOn), &self) != 0 && dlopen(self.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD) != nullptr;
    }();
    static_cast<void>(done);
}

CUresult load(Context& context, std::string_view ptx, bool library, LoadedModule*& out, std::string& why) {
    Driver& d = driver();
    if (ptx.find(".version") == std::string_view::npos || ptx.find(".target") == std::string_view::npos) {
        why = "the image is no PTX text; the simulated driver reads nothing else";
        return CUDA_ERROR_INVALID_IMAGE;
    }
    const std::string sha = sha256(ptx);
    const std::string file = d.modules + "/" + sha + ".so";
    exportRuntime();
    void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        why = "the PTX with the SHA-256 " + sha + " was not translated: " + dlerror();
        return CUDA_ERROR_INVALID_PTX;
    }
    const auto* code = static_cast<const Module*>(dlsym(handle, "fusor_module"));
    if (code == nullptr || code->abi != kModuleAbi || sha != code->sha256) {
        why = file + " is no translation of this PTX for this simulator; build it anew";
        return CUDA_ERROR_INVALID_PTX;
    }
    if (code->ptxMajor > kPtxMajor || (code->ptxMajor == kPtxMajor && code->ptxMinor > kPtxMinor)) {
        why = "the PTX is of version " + std::to_string(code->ptxMajor) + "." + std::to_string(code->ptxMinor) + ", this driver reads up to 9.0";
        return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    }
    if (!runsOn(code->target, architectureOf(context))) {
        why = std::string("the PTX is for ") + code->target + " and the device is " + architectureOf(context).name;
        return CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    auto module = std::make_unique<LoadedModule>();
    module->what = library ? "library" : "module";
    module->call = currentCall();
    module->context = &context;
    module->code = code;
    module->library = library;
    for (std::uint32_t i = 0; i < code->variableCount; i++) {
        const Variable& variable = code->variables[i];
        const std::uint64_t at = memory::allocate(variable.size, Kind::Variable, context.device);
        if (at == 0) {
            for (std::uint64_t made : module->variables) {
                memory::release(made);
            }
            why = "no memory for the variable " + std::string(variable.name);
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
        memory::fill(at, 0, 1, variable.size);
        if (variable.initial != nullptr) {
            memory::copy(at, reinterpret_cast<std::uint64_t>(variable.initial), variable.size);
        }
        module->variables.push_back(at);
    }
    const std::map<std::string, Resources> resources = resourcesOf(sha);
    for (std::uint32_t i = 0; i < code->entryCount; i++) {
        auto function = std::make_unique<Function>();
        function->module = module.get();
        function->entry = &code->entries[i];
        auto found = resources.find(function->entry->name);
        function->resources = found == resources.end() ? Resources{0, function->entry->localBytes, function->entry->sharedBytes} : found->second;
        d.functions.insert(function.get());
        module->functions.push_back(std::move(function));
    }
    out = module.get();
    d.loaded[out] = std::move(module);
    return CUDA_SUCCESS;
}

CUresult loadImage(const void* image, unsigned count, CUjit_option* options, void** values, bool library, LoadedModule*& out) {
    if (image == nullptr || (count > 0 && (options == nullptr || values == nullptr))) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const JitOptions jit = read(count, options, values);
    std::string why;
    const CUresult result = load(*currentContext(), static_cast<const char*>(image), library, out, why);
    if (result != CUDA_SUCCESS) {
        driver().report = why;
    }
    write("", jit.infoLog, jit.infoBytes, jit.infoWritten);
    write(why, jit.errorLog, jit.errorBytes, jit.errorWritten);
    return result;
}

LoadedModule* moduleOf(const void* handle, bool library) {
    auto found = driver().loaded.find(handle);
    return found == driver().loaded.end() || found->second->library != library ? nullptr : found->second.get();
}

CUresult unload(const void* handle, bool library) {
    LoadedModule* module = moduleOf(handle, library);
    if (module == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    drainContext(*module->context);
    for (auto& function : module->functions) {
        driver().functions.erase(function.get());
    }
    for (std::uint64_t at : module->variables) {
        memory::release(at);
    }
    driver().loaded.erase(handle);
    return CUDA_SUCCESS;
}

Function* named(const LoadedModule& module, const char* name) {
    for (const auto& function : module.functions) {
        if (std::strcmp(function->entry->name, name) == 0) {
            return function.get();
        }
    }
    return nullptr;
}

int attributeOf(const Function& function, CUfunction_attribute attribute) {
    const Architecture& architecture = architectureOf(*function.module->context);
    const Entry& entry = *function.entry;
    switch (attribute) {
        case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: {
            int most = kThreadsPerBlock;
            if (function.resources.registers > 0) {
                const int perWarp = static_cast<int>((function.resources.registers * 32 + kRegisterUnit - 1) / kRegisterUnit) * kRegisterUnit;
                most = std::min(most, kRegistersPerMultiprocessor / perWarp / 4 * 4 * 32);
            }
            if (entry.maximumThreads > 0) {
                most = std::min(most, static_cast<int>(entry.maximumThreads));
            }
            return most;
        }
        case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: return static_cast<int>(entry.sharedBytes);
        case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: {
            std::uint64_t bytes = 0;
            for (std::uint32_t i = 0; i < function.module->code->variableCount; i++) {
                const Variable& variable = function.module->code->variables[i];
                bytes += variable.constant ? variable.size : 0;
            }
            return static_cast<int>(bytes);
        }
        case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: return static_cast<int>(function.resources.stackBytes);
        case CU_FUNC_ATTRIBUTE_NUM_REGS: return static_cast<int>(function.resources.registers);
        case CU_FUNC_ATTRIBUTE_PTX_VERSION: {
            const std::string target = function.module->code->target;
            return std::atoi(target.c_str() + target.find_first_of("0123456789"));
        }
        case CU_FUNC_ATTRIBUTE_BINARY_VERSION: return 10 * architecture.major + architecture.minor;
        case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: return function.mostDynamicShared;
        case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: return function.sharedCarveout;
        case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET: return 0;
        case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH: return static_cast<int>(entry.requiredCluster[0]);
        case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT: return static_cast<int>(entry.requiredCluster[1]);
        case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: return static_cast<int>(entry.requiredCluster[2]);
        case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED: return function.nonPortableCluster;
        default: return attribute < CU_FUNC_ATTRIBUTE_MAX ? 0 : -1;
    }
}

CUresult setAttribute(Function& function, CUfunction_attribute attribute, int value) {
    switch (attribute) {
        case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
            if (value < 0 || value > architectureOf(*function.module->context).sharedPerBlockOptIn - static_cast<int>(function.entry->sharedBytes)) {
                return CUDA_ERROR_INVALID_VALUE;
            }
            function.mostDynamicShared = value;
            return CUDA_SUCCESS;
        case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
            if (value < -1 || value > 100) {
                return CUDA_ERROR_INVALID_VALUE;
            }
            function.sharedCarveout = value;
            return CUDA_SUCCESS;
        case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
            function.nonPortableCluster = value != 0;
            return CUDA_SUCCESS;
        default: return CUDA_ERROR_INVALID_VALUE;
    }
}

}  // namespace

namespace fusor::sim {

// A CUkernel is the function of its library: the simulated device has one context to load it into.
Function* functionOf(CUfunction handle) {
    return driver().functions.count(handle) == 1 ? reinterpret_cast<Function*>(handle) : nullptr;
}

}  // namespace fusor::sim

FUSOR_SIM_API cuModuleLoadDataEx(CUmodule* out, const void* image, unsigned int count, CUjit_option* options, void** values) {
    FUSOR_SIM_CALL_IN_CONTEXT
    LoadedModule* module = nullptr;
    const CUresult result = out == nullptr ? CUDA_ERROR_INVALID_VALUE : loadImage(image, count, options, values, false, module);
    if (result == CUDA_SUCCESS) {
        *out = reinterpret_cast<CUmodule>(module);
    }
    return result;
}

FUSOR_SIM_API cuModuleLoadData(CUmodule* out, const void* image) {
    FUSOR_SIM_CALL_IN_CONTEXT
    LoadedModule* module = nullptr;
    const CUresult result = out == nullptr ? CUDA_ERROR_INVALID_VALUE : loadImage(image, 0, nullptr, nullptr, false, module);
    if (result == CUDA_SUCCESS) {
        *out = reinterpret_cast<CUmodule>(module);
    }
    return result;
}

FUSOR_SIM_API cuModuleLoadFatBinary(CUmodule*, const void*) {
    FUSOR_SIM_CALL_IN_CONTEXT
    driver().report = "the simulated driver loads PTX text, no fat binary";
    return CUDA_ERROR_NOT_SUPPORTED;
}

FUSOR_SIM_API cuModuleUnload(CUmodule module) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return unload(module, false);
}

FUSOR_SIM_API cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
    FUSOR_SIM_CALL
    if (mode == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *mode = CU_MODULE_EAGER_LOADING;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuModuleGetFunction(CUfunction* out, CUmodule handle, const char* name) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const LoadedModule* module = moduleOf(handle, false);
    if (module == nullptr || out == nullptr || name == nullptr) {
        return module == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *out = reinterpret_cast<CUfunction>(named(*module, name));
    return *out == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

FUSOR_SIM_API cuModuleGetGlobal_v2(CUdeviceptr* out, std::size_t* bytes, CUmodule handle, const char* name) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const LoadedModule* module = moduleOf(handle, false);
    if (module == nullptr || name == nullptr) {
        return module == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    for (std::uint32_t i = 0; i < module->code->variableCount; i++) {
        if (std::strcmp(module->code->variables[i].name, name) == 0) {
            if (out != nullptr) {
                *out = module->variables[i];
            }
            if (bytes != nullptr) {
                *bytes = module->code->variables[i].size;
            }
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_NOT_FOUND;
}

FUSOR_SIM_API cuLibraryLoadData(CUlibrary* out, const void* code, CUjit_option* options, void** values, unsigned int count, CUlibraryOption*,
                                void**, unsigned int libraryOptions) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (libraryOptions != 0) {
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    LoadedModule* module = nullptr;
    const CUresult result = out == nullptr ? CUDA_ERROR_INVALID_VALUE : loadImage(code, count, options, values, true, module);
    if (result == CUDA_SUCCESS) {
        *out = reinterpret_cast<CUlibrary>(module);
    }
    return result;
}

FUSOR_SIM_API cuLibraryUnload(CUlibrary library) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return unload(library, true);
}

FUSOR_SIM_API cuLibraryGetKernel(CUkernel* out, CUlibrary library, const char* name) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const LoadedModule* module = moduleOf(library, true);
    if (module == nullptr || out == nullptr || name == nullptr) {
        return module == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *out = reinterpret_cast<CUkernel>(named(*module, name));
    return *out == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

FUSOR_SIM_API cuKernelGetFunction(CUfunction* out, CUkernel kernel) {
    FUSOR_SIM_CALL_IN_CONTEXT
    if (out == nullptr || functionOf(reinterpret_cast<CUfunction>(kernel)) == nullptr) {
        return out == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
    }
    *out = reinterpret_cast<CUfunction>(kernel);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel kernel, CUdevice) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(reinterpret_cast<CUfunction>(kernel));
    const int found = function == nullptr ? -1 : attributeOf(*function, attribute);
    if (function == nullptr || value == nullptr || found < -1) {
        return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *value = found;
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel kernel, CUdevice) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Function* function = functionOf(reinterpret_cast<CUfunction>(kernel));
    return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : setAttribute(*function, attribute, value);
}

FUSOR_SIM_API cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr || value == nullptr || attribute < 0 || attribute >= CU_FUNC_ATTRIBUTE_MAX) {
        return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *value = attributeOf(*function, attribute);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
    FUSOR_SIM_CALL_IN_CONTEXT
    Function* function = functionOf(handle);
    return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : setAttribute(*function, attribute, value);
}

FUSOR_SIM_API cuFuncGetModule(CUmodule* out, CUfunction handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr || out == nullptr) {
        return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *out = reinterpret_cast<CUmodule>(function->module);
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuFuncGetParamInfo(CUfunction handle, std::size_t index, std::size_t* offset, std::size_t* size) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const Function* function = functionOf(handle);
    if (function == nullptr) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (index >= function->entry->parameterCount || offset == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    *offset = function->entry->parameters[index].offset;
    if (size != nullptr) {
        *size = function->entry->parameters[index].size;
    }
    return CUDA_SUCCESS;
}

FUSOR_SIM_API cuFuncLoad(CUfunction handle) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return functionOf(handle) == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}
