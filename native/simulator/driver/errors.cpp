// Names and sentences of the results. A sentence is the name in words: nothing is known beyond it.
#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "driver.h"

using namespace fusor::sim;

namespace {

struct Result {
    CUresult code;
    const char* name;
    std::string sentence;
};

std::string sentenceOf(std::string name) {
    if (name == "CUDA_SUCCESS") {
        return "no error";
    }
    name.erase(0, std::string("CUDA_ERROR_").size());
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return c == '_' ? ' ' : std::tolower(c); });
    return name;
}

const std::vector<Result>& results() {
#define FUSOR_SIM_RESULT(code, number) {code, #code, sentenceOf(#code)},
    static const std::vector<Result> all = {
#include "results.inc"
    };
#undef FUSOR_SIM_RESULT
    return all;
}

const Result* find(CUresult code) {
    for (const Result& result : results()) {
        if (result.code == code) {
            return &result;
        }
    }
    return nullptr;
}

}  // namespace

FUSOR_SIM_API cuGetErrorName(CUresult code, const char** text) {
    const Result* result = find(code);
    if (text != nullptr) {
        *text = result == nullptr ? nullptr : result->name;
    }
    return result == nullptr || text == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

FUSOR_SIM_API cuGetErrorString(CUresult code, const char** text) {
    const Result* result = find(code);
    if (text != nullptr) {
        *text = result == nullptr ? nullptr : result->sentence.c_str();
    }
    return result == nullptr || text == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
