// What the instructions of PTX compute, as pure functions of register contents. The tables of the translator say which instruction
// calls which of them; sections of the PTX manual are meant where a comment says "the manual".
#pragma once

#include "instructions/bits.h"
#include "instructions/compare.h"
#include "instructions/convert.h"
#include "instructions/float.h"
#include "instructions/formats.h"
#include "instructions/integer.h"
