// Images: PTX text is found among the translated ones by its SHA-256, so that what runs is what was shipped, to the byte.
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

std::map<std::string, Resources> readResources(const std::string& sha) {
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

// What is wrong with a translation, if anything.
CUresult check(const Module* module, const std::string& sha, const Architecture* device, std::string& why) {
    if (module == nullptr || module->abi != kModuleAbi || sha != module->sha256) {
        why = sha + ".so is no translation of this PTX for this simulator; build it anew";
        return CUDA_ERROR_INVALID_PTX;
    }
    if (module->ptxMajor > kPtxMajor || (module->ptxMajor == kPtxMajor && module->ptxMinor > kPtxMinor)) {
        why = "the PTX is of version " + std::to_string(module->ptxMajor) + "." + std::to_string(module->ptxMinor) + ", this driver reads up to 9.0";
        return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    }
    return device == nullptr ? CUDA_SUCCESS : checkTarget(*module, *device, why);
}

CUresult find(std::string_view ptx, const Architecture* device, std::shared_ptr<const Code>& code, std::string& why) {
    if (ptx.find(".version") == std::string_view::npos || ptx.find(".target") == std::string_view::npos) {
        why = "the image is no PTX text; the simulated driver reads nothing else";
        return CUDA_ERROR_INVALID_IMAGE;
    }
    const std::string sha = sha256(ptx);
    exportRuntime();
    void* handle = dlopen((driver().modules + "/" + sha + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        why = "the PTX with the SHA-256 " + sha + " was not translated: " + dlerror();
        return CUDA_ERROR_INVALID_PTX;
    }
    const auto* module = static_cast<const Module*>(dlsym(handle, "fusor_module"));
    const CUresult result = check(module, sha, device, why);
    if (result == CUDA_SUCCESS) {
        code = std::make_shared<const Code>(Code{module, readResources(sha)});
    }
    return result;
}

}  // namespace

namespace fusor::sim {

CUresult checkTarget(const Module& module, const Architecture& device, std::string& why) {
    if (runsOn(module.target, device)) {
        return CUDA_SUCCESS;
    }
    why = std::string("the PTX is for ") + module.target + " and the device is " + device.name;
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
}

CUresult readImage(const void* image, const Architecture* device, unsigned count, CUjit_option* options, void** values,
                   std::shared_ptr<const Code>& code) {
    if (image == nullptr || (count > 0 && (options == nullptr || values == nullptr))) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    const JitOptions jit = read(count, options, values);
    std::string why;
    const CUresult result = find(static_cast<const char*>(image), device, code, why);
    if (result != CUDA_SUCCESS) {
        driver().report = why;
    }
    write("", jit.infoLog, jit.infoBytes, jit.infoWritten);
    write(why, jit.errorLog, jit.errorBytes, jit.errorWritten);
    return result;
}

}  // namespace fusor::sim
