// Modules: a translated text in one context, with variables of its own.
#include <cstring>

#include "driver.h"

using namespace fusor::sim;

namespace {

bool makeVariables(LoadedModule& module) {
    const Module& code = *module.code->module;
    for (std::uint32_t i = 0; i < code.variableCount; i++) {
        const Variable& variable = code.variables[i];
        const std::uint64_t at = memory::allocate(variable.size, Kind::Variable, module.context->device);
        if (at == 0) {
            driver().report = "no memory for the variable " + std::string(variable.name);
            return false;
        }
        module.variables.push_back(at);
        memory::fill(at, 0, 1, variable.size);
        if (variable.initial != nullptr) {
            memory::copy(at, reinterpret_cast<std::uint64_t>(variable.initial), variable.size);
        }
    }
    return true;
}

void makeFunctions(LoadedModule& module) {
    const Module& code = *module.code->module;
    for (std::uint32_t i = 0; i < code.entryCount; i++) {
        auto function = std::make_unique<Function>();
        function->module = &module;
        function->entry = &code.entries[i];
        function->resources = resourcesOf(*module.code, code.entries[i]);
        function->settings = initialSettings(code.entries[i]);
        driver().functions.insert(function.get());
        module.functions.push_back(std::move(function));
    }
}

CUresult load(CUmodule* out, const void* image, unsigned count, CUjit_option* options, void** values) {
    if (out == nullptr) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    std::shared_ptr<const Code> code;
    CUresult result = readImage(image, &architectureOf(*currentContext()), count, options, values, code);
    if (result != CUDA_SUCCESS) {
        return result;
    }
    const std::shared_ptr<LoadedModule> module = loadCode(std::move(code), *currentContext());
    if (module == nullptr) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    driver().loaded[module.get()] = module;
    *out = reinterpret_cast<CUmodule>(module.get());
    return CUDA_SUCCESS;
}

// A library has a module in each context where it is used.
LoadedModule* moduleOf(CUmodule handle) {
    if (auto found = driver().loaded.find(handle); found != driver().loaded.end()) {
        return found->second.get();
    }
    for (const auto& [key, library] : driver().libraries) {
        for (const auto& [context, module] : library->loaded) {
            if (reinterpret_cast<CUmodule>(module.get()) == handle) {
                return module.get();
            }
        }
    }
    return nullptr;
}

}  // namespace

namespace fusor::sim {

std::shared_ptr<LoadedModule> loadCode(std::shared_ptr<const Code> code, Context& context) {
    auto module = std::make_shared<LoadedModule>();
    module->what = "module";
    module->call = currentCall();
    module->context = &context;
    module->code = std::move(code);
    if (!makeVariables(*module)) {
        unload(*module);
        return nullptr;
    }
    makeFunctions(*module);
    return module;
}

void unload(LoadedModule& module) {
    for (const auto& function : module.functions) {
        driver().functions.erase(function.get());
    }
    for (const std::uint64_t at : module.variables) {
        memory::release(at);
    }
    module.variables.clear();
    module.unloaded = true;
}

Function* functionNamed(const LoadedModule& module, const char* name) {
    for (const auto& function : module.functions) {
        if (std::strcmp(function->entry->name, name) == 0) {
            return function.get();
        }
    }
    return nullptr;
}

}  // namespace fusor::sim

FUSOR_SIM_API cuModuleLoadDataEx(CUmodule* out, const void* image, unsigned int count, CUjit_option* options, void** values) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return load(out, image, count, options, values);
}

FUSOR_SIM_API cuModuleLoadData(CUmodule* out, const void* image) {
    FUSOR_SIM_CALL_IN_CONTEXT
    return load(out, image, 0, nullptr, nullptr);
}

FUSOR_SIM_API cuModuleLoadFatBinary(CUmodule*, const void*) {
    FUSOR_SIM_CALL_IN_CONTEXT
    driver().report = "the simulated driver loads PTX text, no fat binary";
    return CUDA_ERROR_NOT_SUPPORTED;
}

FUSOR_SIM_API cuModuleUnload(CUmodule module) {
    FUSOR_SIM_CALL_IN_CONTEXT
    auto found = driver().loaded.find(module);
    if (found == driver().loaded.end()) {
        return CUDA_ERROR_INVALID_HANDLE;
    }
    const CUresult result = drainContext(*found->second->context);
    unload(*found->second);
    destroy(driver().loaded, module);
    return result;
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
    const LoadedModule* module = moduleOf(handle);
    if (module == nullptr || out == nullptr || name == nullptr) {
        return module == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *out = reinterpret_cast<CUfunction>(functionNamed(*module, name));
    return *out == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

FUSOR_SIM_API cuModuleGetGlobal_v2(CUdeviceptr* out, std::size_t* bytes, CUmodule handle, const char* name) {
    FUSOR_SIM_CALL_IN_CONTEXT
    const LoadedModule* module = moduleOf(handle);
    if (module == nullptr || name == nullptr) {
        return module == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    for (std::uint32_t i = 0; i < module->code->module->variableCount; i++) {
        if (std::strcmp(module->code->module->variables[i].name, name) == 0) {
            if (out != nullptr) {
                *out = module->variables[i];
            }
            if (bytes != nullptr) {
                *bytes = module->code->module->variables[i].size;
            }
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_NOT_FOUND;
}
