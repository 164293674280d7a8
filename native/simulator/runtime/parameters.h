// Parameter space: the block of an entry's parameters, and the arrays through which functions pass theirs.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace fusor::sim {

template <class T> T readParameter(const std::uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <class T, int N> std::array<T, N> readParameters(const std::uint8_t* from) {
    return readParameter<std::array<T, N>>(from);
}
template <class T> void writeParameter(std::uint8_t* to, T value) {
    std::memcpy(to, &value, sizeof value);
}
template <class T, int N> void writeParameters(std::uint8_t* to, const std::array<T, N>& values) {
    writeParameter(to, values);
}

// Local and parameter space are the host's: their addresses are numbers like any other, until they are used.
inline std::uint64_t hostAddress(const std::uint8_t* pointer) {
    return reinterpret_cast<std::uint64_t>(pointer);
}
inline std::uint8_t* hostPointer(std::uint64_t address) {
    return reinterpret_cast<std::uint8_t*>(address);
}

}  // namespace fusor::sim
