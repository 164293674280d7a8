// Linear assignments, a block for each problem: the steps of the contract one after the other, each decision by all threads of the block.
//
//   contract  assign/LinearAssignment.java; costs are those after negation, with rows no more than columns
//   input     costs T[problems][rows][columns], the largest magnitude that is allowed
//   output    for each problem the column and the dual of each row, the row and the dual of each column, a status. Of a problem that is refused
//             the status alone is defined
//   certify   from the costs as they were given: by how much duals break a constraint at most, 0 if they break none, and the costs of the pairs
//   transpose rows for columns, where there are more rows
//   bids      each warp looks at a row of the front of the queue, all at the duals as they are. Then the rows are served in order until one
//             whose least or second least column was given away meanwhile: it looks again in the next round. Duals never rise, so what others
//             saw still holds
//   paths     a thread has every blockDim-th column. One barrier for each row scanned
//   launch    solve: a block for each problem, whole warps, a thread for each column as far as there are; 20 bytes of shared memory for each
//             column, or none: then duals, distances and owners stay in memory. certify: any grid of whole warps. transpose: 256 threads, any grid
//   traffic   a row of costs for each bid and each scan, all of them once before; certify reads them once, transpose reads and writes them
#pragma once
#include <cstdint>

namespace assignment {

constexpr unsigned kWarp = 0xFFFFFFFFu;
constexpr int kNone = -1;
constexpr int kMostThreads = 1024;
constexpr int kMostWarps = kMostThreads / 32;
constexpr int kBidsPerRow = 16;
constexpr int kTile = 32;
constexpr int kTransposeThreads = 256;
constexpr unsigned kAssigned = 0x80000000u;
constexpr unsigned kNowhere = 0xFFFFFFFFu;
constexpr double kInfinity = __builtin_huge_val();

// As LinearAssignmentCuda.java writes it. Of arrays with an entry for each row or column, the problems lie one after the other.
struct Job {
    const void* costs;
    double* rowDual;
    double* columnDual;
    int* column;                // of each row, or kNone
    int* owner;                 // the row of each column, or kNone
    int* status;                // 1: refused
    double* paid;               // scratch from here
    double* distance;
    double* reached;
    int* predecessor;
    int* queue;
    // For the certificate: the costs as they were given, and what belongs to their rows and columns.
    const void* given;
    const double* givenRowDual;
    const double* givenColumnDual;
    const int* givenColumn;
    double* givenPaid;          // output: the cost of the pair of each row that has one
    unsigned long long* worst;  // output: the bits of a number from 0; solve starts it
    long long problems;
    double largest;
    long long rows;
    long long columns;
    long long givenRows;
    long long givenColumns;
    long long negated;
    long long shares;           // whether there is shared memory for what columns have
};

template <typename T>
struct Costs {
    const T* data;
    int columns;
    bool negated;

    __device__ double at(int row, int column) const
    {
        return widen(__ldg(data + static_cast<long long>(row) * columns + column));
    }

    __device__ double widen(T element) const
    {
        const double cost = static_cast<double>(element);
        return negated ? -cost : cost;
    }

    // Hands over the costs at the first element and at every step from there, with their numbers; AHEAD are on their way at a time.
    template <int AHEAD, typename Visitor>
    __device__ void each(long long first, long long step, int count, Visitor&& visit) const
    {
#pragma unroll 1
        for (int k = 0; k < count; k += AHEAD) {
            T ahead[AHEAD];
#pragma unroll
            for (int a = 0; a < AHEAD; a++) {
                ahead[a] = __ldg(data + first + min(k + a, count - 1) * step);
            }
#pragma unroll
            for (int a = 0; a < AHEAD; a++) {
                if (k + a < count) {
                    visit(k + a, widen(ahead[a]));
                }
            }
        }
    }

    // The columns of a row that a thread has among several.
    template <int AHEAD, typename Visitor>
    __device__ void eachOfRow(int row, int mine, int threads, Visitor&& visit) const
    {
        each<AHEAD>(static_cast<long long>(row) * columns + mine, threads, (columns - mine + threads - 1) / threads,
             [&](int k, double cost) { visit(mine + k * threads, cost); });
    }
};

// The least and the second least of a row's costs less duals, and a column of each.
struct Offer {
    double least;
    double second;
    int column;
    int other;

    __device__ void take(double value, int at)
    {
        if (value < least) {
            second = least;
            other = column;
            least = value;
            column = at;
        } else if (value < second) {
            second = value;
            other = at;
        }
    }

    // Of a warp; equal ones at the lowest column.
    __device__ void combine()
    {
#pragma unroll
        for (int step = 16; step > 0; step /= 2) {
            const double theirLeast = __shfl_xor_sync(kWarp, least, step);
            const double theirSecond = __shfl_xor_sync(kWarp, second, step);
            const int theirColumn = __shfl_xor_sync(kWarp, column, step);
            const int theirOther = __shfl_xor_sync(kWarp, other, step);
            const bool theirs = theirLeast < least || (theirLeast == least && static_cast<unsigned>(theirColumn) < static_cast<unsigned>(column));
            const double loser = theirs ? least : theirLeast;
            const int loserColumn = theirs ? column : theirColumn;
            second = theirs ? theirSecond : second;
            other = theirs ? theirOther : other;
            least = theirs ? theirLeast : least;
            column = theirs ? theirColumn : column;
            if (loser < second) {
                second = loser;
                other = loserColumn;
            }
        }
    }
};

// The column that a search takes next: the nearest, then an unassigned one, then the lowest.
struct Nearest {
    double distance;
    unsigned rank;  // the column, and kAssigned if it has a row

    __device__ void take(double theirDistance, unsigned theirRank)
    {
        if (theirDistance < distance || (theirDistance == distance && theirRank < rank)) {
            distance = theirDistance;
            rank = theirRank;
        }
    }

    // Of a warp.
    __device__ void combine()
    {
#pragma unroll
        for (int step = 16; step > 0; step /= 2) {
            const double theirDistance = __shfl_xor_sync(kWarp, distance, step);
            const unsigned theirRank = __shfl_xor_sync(kWarp, rank, step);
            take(theirDistance, theirRank);
        }
    }
};

// What the threads of a block tell each other.
struct Board {
    Offer offers[kMostWarps];
    int served;
    int outbid;
    Nearest nearest[2][kMostWarps];  // of this scan and of the last, which some may still read
};

template <typename T>
struct Solver {
    const Costs<T> costs;
    const int rows;
    const int columns;
    const double largest;
    Board& board;
    // For each column.
    double* const dual;      // never rises
    double* const distance;  // NaN once it was scanned
    double* const reached;   // its distance when it was scanned
    int* const owner;
    int* const predecessor;
    // For each row.
    int* const column;
    double* const paid;
    int* const queue;
    int scans = 0;

    // Loads on their way in each thread: where a warp has a row, and where the block has it.
    static constexpr int kMostAhead = 32 / sizeof(T);
    static constexpr int kFewAhead = 4;

    __device__ int lane() const { return threadIdx.x % 32; }
    __device__ int warp() const { return threadIdx.x / 32; }
    __device__ int warps() const { return blockDim.x / 32; }

    // Looks at every cost once, and starts the duals. False if a cost cannot be, or a column of a square is forbidden to all.
    __device__ bool start()
    {
        bool wrong = false;
        for (int j = threadIdx.x; j < columns; j += blockDim.x) {
            double least = kInfinity;
            costs.template each<kMostAhead>(j, columns, rows, [&](int, double cost) {
                wrong |= !(cost > -kInfinity) || (cost < kInfinity && fabs(cost) > largest);
                least = cost < least ? cost : least;
            });
            wrong |= rows == columns && least == kInfinity;
            dual[j] = rows == columns ? least : 0;
            owner[j] = kNone;
            distance[j] = kInfinity;
        }
        for (int i = threadIdx.x; i < rows; i += blockDim.x) {
            column[i] = kNone;
            queue[i] = i;
        }
        return __syncthreads_or(wrong) == 0;
    }

    __device__ void bid()
    {
        int front = 0;
        int queued = rows;
        long long left = static_cast<long long>(kBidsPerRow) * rows;
        while (queued > 0 && left > 0) {
            const int count = static_cast<int>(min(static_cast<long long>(min(warps(), queued)), left));
            if (warp() < count) {
                const Offer offer = look(queue[(front + warp()) % rows]);
                if (lane() == 0) {
                    board.offers[warp()] = offer;
                }
            }
            __syncthreads();
            if (warp() == 0) {
                serve(front, queued, count);
            }
            __syncthreads();
            front = (front + board.served) % rows;
            queued += board.outbid - board.served;
            left -= board.served;
        }
    }

    // What a row finds, by a warp.
    __device__ Offer look(int row) const
    {
        Offer offer{kInfinity, kInfinity, kNone, kNone};
        costs.template eachOfRow<kMostAhead>(row, lane(), 32, [&](int j, double cost) { offer.take(cost - dual[j], j); });
        offer.combine();
        if (offer.least < offer.second || offer.column == kNone) {
            return offer;
        }
        unsigned free = kNowhere;
        costs.template eachOfRow<kFewAhead>(row, lane(), 32, [&](int j, double cost) {
            if (free == kNowhere && cost - dual[j] == offer.least && owner[j] == kNone) {
                free = j;
            }
        });
#pragma unroll
        for (int step = 16; step > 0; step /= 2) {
            free = min(free, __shfl_xor_sync(kWarp, free, step));
        }
        if (free != kNowhere && static_cast<int>(free) != offer.column) {
            offer.other = offer.column;
            offer.column = static_cast<int>(free);
        }
        return offer;
    }

    // Gives columns to the first rows of the queue, in order, as far as what they found still holds; by one warp, a row for each lane.
    __device__ void serve(int front, int queued, int count)
    {
        const bool mine = lane() < count;
        const int row = mine ? queue[(front + lane()) % rows] : kNone;
        const Offer offer = mine ? board.offers[lane()] : Offer{kInfinity, kInfinity, kNone, kNone};
        int outbid = kNone;
        double lower = 0;
        bool pays = false;
        if (offer.column != kNone) {
            outbid = owner[offer.column];
            const double now = dual[offer.column];
            const double fall = offer.second - offer.least;
            lower = fall < kInfinity ? now - fall : now;
            pays = outbid == kNone || lower < now;
        }
        const int given = pays ? offer.column : kNone;
        bool stale = !mine;
        for (int before = 0; before < count; before++) {
            const int gone = __shfl_sync(kWarp, given, before);
            stale |= before < lane() && gone != kNone && (gone == offer.column || gone == offer.other);
        }
        const unsigned first = __ballot_sync(kWarp, stale);
        const int served = first == 0 ? 32 : __ffs(first) - 1;
        pays &= lane() < served;
        const unsigned outbids = __ballot_sync(kWarp, pays && outbid != kNone);
        if (pays) {
            if (outbid != kNone) {
                column[outbid] = kNone;
                queue[(front + queued + __popc(outbids & ((1u << lane()) - 1))) % rows] = outbid;
            }
            dual[offer.column] = lower;
            pair(row, offer.column);
        }
        if (lane() == 0) {
            board.served = served;
            board.outbid = __popc(outbids);
        }
    }

    __device__ void pair(int row, int to)
    {
        column[row] = to;
        owner[to] = row;
        paid[row] = costs.at(row, to);
    }

    // A shortest path from a row to an unassigned column. False if there is none.
    __device__ bool assign(int free)
    {
        double at = -kInfinity;
        double before = 0;
        int row = free;
        while (true) {
            const Nearest nearest = scan(row, before);
            if (nearest.distance == kInfinity) {
                return false;
            }
            at = nearest.distance > at ? nearest.distance : at;
            const int to = static_cast<int>(nearest.rank & ~kAssigned);
            if ((nearest.rank & kAssigned) == 0) {
                finish(free, to, at);
                return true;
            }
            if (to % blockDim.x == threadIdx.x) {
                distance[to] = __longlong_as_double(0x7FF8000000000000);
                reached[to] = at;
            }
            row = owner[to];
            before = paid[row] - dual[to] - at;
        }
    }

    // Offers every column a distance by way of a row, and finds the nearest.
    __device__ Nearest scan(int row, double before)
    {
        Nearest nearest{kInfinity, kNowhere};
        costs.template eachOfRow<kFewAhead>(row, threadIdx.x, blockDim.x, [&](int j, double cost) {
            const double offered = cost - dual[j] - before;
            double known = distance[j];
            if (offered < known) {
                known = offered;
                distance[j] = offered;
                predecessor[j] = row;
            } else if (offered == known && known < kInfinity && row < predecessor[j]) {
                predecessor[j] = row;
            }
            if (known <= nearest.distance && known < kInfinity) {
                nearest.take(known, owner[j] == kNone ? j : j | kAssigned);
            }
        });
        nearest.combine();
        Nearest(&all)[kMostWarps] = board.nearest[scans++ % 2];
        if (lane() == 0) {
            all[warp()] = nearest;
        }
        __syncthreads();
        nearest = lane() < warps() ? all[lane()] : Nearest{kInfinity, kNowhere};
        nearest.combine();
        return nearest;
    }

    // Lowers the duals of what was scanned, and takes the path to the last column.
    __device__ void finish(int free, int last, double at)
    {
        for (int j = threadIdx.x; j < columns; j += blockDim.x) {
            if (distance[j] != distance[j]) {
                dual[j] += reached[j] - at;
            }
            distance[j] = kInfinity;
        }
        if (threadIdx.x == 0) {
            int to = last;
            int from;
            do {
                from = predecessor[to];
                const int next = column[from];
                pair(from, to);
                to = next;
            } while (from != free);
        }
        __syncthreads();
    }

    __device__ bool run()
    {
        if (!start()) {
            return false;
        }
        bid();
        for (int i = 0; i < rows; i++) {
            if (column[i] == kNone && !assign(i)) {
                return false;
            }
        }
        return true;
    }
};

template <typename T>
__device__ inline void solve(const Job& job)
{
    extern __shared__ double shared[];
    __shared__ Board board;
    const long long problem = blockIdx.x;
    const int rows = static_cast<int>(job.rows);
    const int columns = static_cast<int>(job.columns);
    double* const columnDual = job.columnDual + problem * columns;
    int* const owner = job.owner + problem * columns;
    double* const rowDual = job.rowDual + problem * rows;
    Solver<T> solver{
        {static_cast<const T*>(job.costs) + problem * rows * columns, columns, job.negated != 0},
        rows, columns, job.largest, board,
        job.shares ? shared : columnDual,
        job.shares ? shared + columns : job.distance + problem * columns,
        job.reached + problem * columns,
        job.shares ? reinterpret_cast<int*>(shared + 2 * columns) : owner,
        job.predecessor + problem * columns,
        job.column + problem * rows,
        job.paid + problem * rows,
        job.queue + problem * rows,
    };
    const bool solved = solver.run();
    if (threadIdx.x == 0) {
        job.status[problem] = solved ? 0 : 1;
        job.worst[problem] = 0;
    }
    if (!solved) {
        return;
    }
    for (int i = threadIdx.x; i < rows; i += blockDim.x) {
        rowDual[i] = solver.paid[i] - solver.dual[solver.column[i]];
    }
    if (job.shares) {
        for (int j = threadIdx.x; j < columns; j += blockDim.x) {
            columnDual[j] = solver.dual[j];
            owner[j] = solver.owner[j];
        }
    }
}

// A warp for each row of the costs as they were given.
template <typename T>
__device__ inline void certify(const Job& job)
{
    const int lane = threadIdx.x % 32;
    const long long warps = static_cast<long long>(gridDim.x) * (blockDim.x / 32);
    const long long first = static_cast<long long>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
    for (long long line = first; line < job.problems * job.givenRows; line += warps) {
        const long long problem = line / job.givenRows;
        const int row = static_cast<int>(line % job.givenRows);
        if (job.status[problem] != 0) {
            continue;
        }
        const T* const given = static_cast<const T*>(job.given) + problem * job.givenRows * job.givenColumns;
        const double* const dual = job.givenColumnDual + problem * job.givenColumns;
        const Costs<T> costs{given, static_cast<int>(job.givenColumns), job.negated != 0};
        double least = kInfinity;
        costs.template eachOfRow<32 / sizeof(T)>(row, lane, 32, [&](int j, double cost) {
            const double reduced = cost - dual[j];
            least = reduced < least ? reduced : least;
        });
#pragma unroll
        for (int step = 16; step > 0; step /= 2) {
            const double other = __shfl_xor_sync(kWarp, least, step);
            least = other < least ? other : least;
        }
        if (lane == 0) {
            const double broken = job.givenRowDual[line] - least;
            if (broken > 0) {
                atomicMax(&job.worst[problem], static_cast<unsigned long long>(__double_as_longlong(broken)));
            }
            const int column = job.givenColumn[line];
            job.givenPaid[line] = column == kNone ? 0 : costs.at(row, column);
        }
    }
}

template <typename T>
__device__ inline void transpose(const T* __restrict__ from, T* __restrict__ to, int rows, int columns, long long problems)
{
    __shared__ T tile[kTile][kTile + 1];
    const int x = threadIdx.x % kTile;
    const int across = (columns + kTile - 1) / kTile;
    const long long tiles = static_cast<long long>((rows + kTile - 1) / kTile) * across;
    for (long long number = blockIdx.x; number < tiles * problems; number += gridDim.x) {
        const long long first = number / tiles * rows * columns;
        const int top = static_cast<int>(number % tiles / across) * kTile;
        const int left = static_cast<int>(number % tiles % across) * kTile;
        for (int y = threadIdx.x / kTile; y < kTile; y += kTransposeThreads / kTile) {
            if (top + y < rows && left + x < columns) {
                tile[y][x] = from[first + static_cast<long long>(top + y) * columns + left + x];
            }
        }
        __syncthreads();
        for (int y = threadIdx.x / kTile; y < kTile; y += kTransposeThreads / kTile) {
            if (left + y < columns && top + x < rows) {
                to[first + static_cast<long long>(left + y) * rows + top + x] = tile[x][y];
            }
        }
        __syncthreads();
    }
}

}  // namespace assignment

#define LINEAR_ASSIGNMENT(T)                                                                                                              \
    extern "C" __global__ void __launch_bounds__(assignment::kMostThreads) solve(const assignment::Job* __restrict__ job)                   \
    {                                                                                                                                     \
        assignment::solve<T>(*job);                                                                                                       \
    }                                                                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                                     \
        certify(const assignment::Job* __restrict__ job)                                                                                  \
    {                                                                                                                                     \
        assignment::certify<T>(*job);                                                                                                     \
    }                                                                                                                                     \
    extern "C" __global__ void __launch_bounds__(assignment::kTransposeThreads)                                                                \
        transpose(const T* __restrict__ from, T* __restrict__ to, int rows, int columns, long long problems)                                   \
    {                                                                                                                                     \
        assignment::transpose<T>(from, to, rows, columns, problems);                                                                           \
    }
