// Linear assignments: the steps of the contract one after the other, each decision by all threads of a block.
//
//   contract  assign/LinearAssignment.java; costs are those after negation, with rows no more than columns
//   input     costs T[problems][rows][columns], the largest magnitude that is allowed, what the duals of rows are expected to be
//   output    for each problem the column and the dual of each row, the row and the dual of each column, a status. Of a problem that is refused
//             the status alone is defined
//   transpose rows for columns, where there are more rows
//   bid       the first two steps of a large problem, by several blocks
//   solve     all steps, or those that are left
//   certify   from the costs as they were given: by how much duals break a constraint at most, 0 if they break none, and the costs of the pairs
//   bids      rows of the front of the queue look at their costs, a few warps or a block each, all at the duals as they are. Then they are served
//             in order until one whose least or second least column was given away meanwhile, which looks again in the next round, or until few
//             rows queue, which ends the phase. Duals never rise, so what others saw still holds, and every phase begins with the duals of the one
//             before it. Blocks that bid together have a queue, duals and owners each, and serve all of them alike
//   paths     a thread has every blockDim-th column. One barrier for each row scanned
//   launch    solve: a block for each problem, whole warps, a thread for each column as far as there are; 20 bytes of shared memory for each
//             column, or none: then duals, distances and owners stay in memory. bid: one problem, cooperative, up to 32 blocks of up to
//             512 threads, 8 bytes of shared memory for each column. certify: any grid of whole warps. transpose: 256 threads, any grid
//   traffic   a row of costs for each bid and each scan, all of them once before; certify reads them once, transpose reads and writes them
#pragma once
#include <cstdint>
#include <type_traits>

namespace assignment {

constexpr unsigned kWarp = 0xFFFFFFFFu;
constexpr int kNone = -1;
constexpr int kMostThreads = 1024;
constexpr int kMostWarps = kMostThreads / 32;
constexpr int kMostTogether = 32;
constexpr int kBidThreads = 512;  // at most, of blocks that bid together
constexpr int kFewBids = 3;       // for each row, of phases without epsilon where rows are as many as columns
constexpr int kMostBids = 16;     // of the others
constexpr int kScaled = 6;        // phases with an epsilon
constexpr int kAboveMedian = 4;   // powers of two of the first epsilon above the median of what duals fell by
constexpr int kAhead = 4;         // loads on their way in each thread, where many share a row
constexpr int kBytesAhead = 32;   // and where each has many
constexpr int kTile = 32;
constexpr int kTransposeThreads = 256;
constexpr unsigned kAssigned = 0x80000000u;
constexpr unsigned kNowhere = 0xFFFFFFFFu;
constexpr double kInfinity = __builtin_huge_val();

// The least and the second least of a row's costs less duals. Of several least ones an unassigned column is first, then the lowest.
struct Offer {
    double least = kInfinity;
    double second = kInfinity;
    unsigned rank = kNowhere;  // the column of the least, and kAssigned if it has a row
    int other = kNone;         // a column of the second

    __device__ int column() const { return static_cast<int>(rank & ~kAssigned); }

    // Finds the place of a value, if it has one.
    __device__ void take(double value, unsigned theirRank)
    {
        if (value < least || (value == least && theirRank < rank)) {
            second = least;
            other = column();
            least = value;
            rank = theirRank;
        } else if (value < second) {
            second = value;
            other = static_cast<int>(theirRank & ~kAssigned);
        }
    }

    __device__ void merge(const Offer& theirs)
    {
        take(theirs.least, theirs.rank);
        if (theirs.second < second) {
            second = theirs.second;
            other = theirs.other;
        }
    }

    // Of a warp.
    __device__ void combine()
    {
#pragma unroll
        for (int step = 16; step > 0; step /= 2) {
            Offer theirs;
            theirs.least = __shfl_xor_sync(kWarp, least, step);
            theirs.second = __shfl_xor_sync(kWarp, second, step);
            theirs.rank = __shfl_xor_sync(kWarp, rank, step);
            theirs.other = __shfl_xor_sync(kWarp, other, step);
            merge(theirs);
        }
    }
};

// What blocks that bid together tell each other. All zeros before.
struct Table {
    unsigned arrived;
    unsigned wrong;
    Offer offers[2][kMostTogether];  // of this round and of the last, which some may still read
};

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
    // Where blocks bid together; otherwise null.
    Table* table;
    int* owners;                // scratch of each block
    int* queues;
    const double* expected;     // duals of the rows as they were given, of every problem
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

// Waits for all blocks of the grid, which have met so often before; by one warp, whose first lane leaves what it has written to the others.
__device__ inline void meet(Table& table, unsigned& met)
{
    met += gridDim.x;
    if (threadIdx.x == 0) {
        __nv_atomic_fetch_add(&table.arrived, 1u, __NV_ATOMIC_RELEASE, __NV_THREAD_SCOPE_DEVICE);
        while (__nv_atomic_load_n(&table.arrived, __NV_ATOMIC_ACQUIRE, __NV_THREAD_SCOPE_DEVICE) < met) {
            __nanosleep(20);
        }
    }
    __syncwarp();
}

template <typename T>
struct Solver {
    const Costs<T> costs;
    const int rows;
    const int columns;
    const double largest;
    const double* const expected;
    Board& board;
    // For each column.
    double* const dual;      // never rises
    double* const distance;  // NaN once it was scanned
    double* const reached;   // its distance when it was scanned; before, what its dual began with
    int* const owner;
    int* const predecessor;
    // For each row.
    int* const column;       // null where another block keeps it, with what was paid
    double* const paid;
    int* const queue;        // a ring
    int front;
    int queued;
    long long left;
    double epsilon;
    int scans = 0;

    __device__ int lane() const { return threadIdx.x % 32; }
    __device__ int warp() const { return threadIdx.x / 32; }
    __device__ int warps() const { return blockDim.x / 32; }

    // What a column's dual starts with. Says if a cost cannot be, or a column of a square is forbidden to all.
    __device__ double survey(int j, bool& wrong) const
    {
        double least = kInfinity;
        costs.template each<kBytesAhead / sizeof(T)>(j, columns, rows, [&](int i, double cost) {
            wrong |= !(cost > -kInfinity) || (cost < kInfinity && fabs(cost) > largest);
            const double reduced = cost - __ldg(expected + i);
            least = reduced < least ? reduced : least;
        });
        wrong |= rows == columns && least == kInfinity;
        return rows == columns ? least : 0;
    }

    __device__ bool square() const { return rows == columns; }

    // A phase ends when no more rows queue.
    __device__ int few() const { return square() ? 2 + rows / 128 : 0; }

    // Bids in phases, by what carries out one.
    template <typename Phase>
    __device__ void bidInPhases(Phase&& bids)
    {
        double scaled = 0;
#pragma unroll 1
        for (int phase = 0; phase <= kScaled + 1; phase++) {
            scaled = phase == 1 ? firstEpsilon() : scaled / 4;
            epsilon = phase <= kScaled ? scaled : 0;
            if (std::is_integral_v<T> && 0 < epsilon && epsilon < 1) {
                continue;
            }
            begin();
            bids();
            if (phase == 0 && (!square() || queued <= few())) {
                return;
            }
        }
    }

    // The power of two of the median of what duals fell by, of those that did, times 16.
    __device__ double firstEpsilon() const
    {
        const int half = fallenBelow(2047) / 2;
        int exponent = 0;
#pragma unroll 1
        for (int bit = 1024; bit > 0; bit /= 2) {
            exponent += fallenBelow(exponent + bit) <= half ? bit : 0;
        }
        return __longlong_as_double(static_cast<long long>(exponent + kAboveMedian) << 52);
    }

    // How many duals fell by something of a lower exponent.
    __device__ int fallenBelow(int exponent) const
    {
        int fallen = 0;
#pragma unroll 1
        for (int first = 0; first < columns; first += blockDim.x) {
            const int j = first + threadIdx.x;
            const double fall = j < columns ? reached[j] - dual[j] : 0;
            fallen += __syncthreads_count(fall > 0 && __double_as_longlong(fall) >> 52 < exponent);
        }
        return fallen;
    }

    // Nobody has a column, and everybody queues.
    __device__ void begin()
    {
        for (int j = threadIdx.x; j < columns; j += blockDim.x) {
            owner[j] = kNone;
        }
        for (int i = threadIdx.x; i < rows; i += blockDim.x) {
            queue[i] = i;
            if (column != nullptr) {
                column[i] = kNone;
            }
        }
        front = 0;
        queued = rows;
        left = static_cast<long long>(square() && epsilon == 0 ? kFewBids : kMostBids) * rows;
        __syncthreads();
    }

    __device__ bool queueing() const { return queued > few() && left > 0; }

    // How many rows look at a time.
    __device__ int bidders(int most) const { return static_cast<int>(min(static_cast<long long>(min(most, queued)), left)); }

    __device__ void bid()
    {
        while (queueing()) {
            const int count = bidders(warps());
            const int each = warps() / count;
            const int number = warp() / each;
            if (number < count) {
                look(number, threadIdx.x - number * each * 32, each * 32);
            }
            __syncthreads();
            if (warp() == 0) {
                Offer offer;
                for (int k = 0; lane() < count && k < each; k++) {
                    offer.merge(board.offers[lane() * each + k]);
                }
                serve(count, offer);
            }
            advance();
        }
    }

    // With a block for each of the first rows.
    __device__ void bid(Table& table, unsigned& met)
    {
        while (queueing()) {
            const int count = bidders(gridDim.x);
            Offer(&offers)[kMostTogether] = table.offers[met / gridDim.x % 2];
            if (blockIdx.x < count) {
                look(blockIdx.x, threadIdx.x, blockDim.x);
            }
            __syncthreads();
            if (warp() == 0) {
                if (blockIdx.x < count) {
                    Offer offer = lane() < warps() ? board.offers[lane()] : Offer();
                    offer.combine();
                    if (lane() == 0) {
                        offers[blockIdx.x] = offer;
                    }
                }
                meet(table, met);
                serve(count, lane() < count ? offers[lane()] : Offer());
            }
            advance();
        }
    }

    // What a row of the queue finds among some of its columns; a warp leaves it on the board.
    __device__ void look(int number, int mine, int threads)
    {
        Offer offer;
        costs.template eachOfRow<kAhead>(queue[(front + number) % rows], mine, threads, [&](int j, double cost) {
            const double value = cost - dual[j];
            if (value < offer.second || (value == offer.least && value < kInfinity)) {
                offer.take(value, rank(j));
            }
        });
        offer.combine();
        if (lane() == 0) {
            board.offers[warp()] = offer;
        }
    }

    __device__ unsigned rank(int j) const { return owner[j] == kNone ? j : j | kAssigned; }

    // Gives columns to the first rows of the queue, in order, as far as what they found still holds; by one warp, a row for each lane.
    __device__ void serve(int count, const Offer& offer)
    {
        const bool mine = lane() < count;
        const int row = mine ? queue[(front + lane()) % rows] : kNone;
        const int wanted = offer.column();
        int outbid = kNone;
        double lower = 0;
        bool pays = false;
        if (offer.least < kInfinity) {
            outbid = owner[wanted];
            const double now = dual[wanted];
            const double fall = offer.second - offer.least + epsilon;
            lower = fall < kInfinity ? now - fall : now;
            pays = outbid == kNone || lower < now;
        }
        const int given = pays ? wanted : kNone;
        unsigned outbids = __ballot_sync(kWarp, pays && outbid != kNone);
        const int before = __popc(outbids & ((1u << lane()) - 1));
        bool stale = !mine || queued - lane() + before <= few();
        for (int other = 0; other < count; other++) {
            const int gone = __shfl_sync(kWarp, given, other);
            stale |= other < lane() && gone != kNone && (gone == wanted || gone == offer.other);
        }
        const unsigned first = __ballot_sync(kWarp, stale);
        const int served = first == 0 ? 32 : __ffs(first) - 1;
        outbids &= kWarp >> (32 - served);
        if (pays && lane() < served) {
            if (outbid != kNone) {
                queue[(front + queued + before) % rows] = outbid;
                if (column != nullptr) {
                    column[outbid] = kNone;
                }
            }
            dual[wanted] = lower;
            pair(row, wanted);
        }
        if (lane() == 0) {
            board.served = served;
            board.outbid = __popc(outbids);
        }
    }

    // Everybody learns who was served.
    __device__ void advance()
    {
        __syncthreads();
        front = (front + board.served) % rows;
        queued += board.outbid - board.served;
        left -= board.served;
    }

    __device__ void pair(int row, int to)
    {
        owner[to] = row;
        if (column != nullptr) {
            column[row] = to;
            paid[row] = costs.at(row, to);
        }
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
        costs.template eachOfRow<kAhead>(row, threadIdx.x, blockDim.x, [&](int j, double cost) {
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
                nearest.take(known, rank(j));
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

    // False if a row has no path.
    __device__ bool search()
    {
        for (int j = threadIdx.x; j < columns; j += blockDim.x) {
            distance[j] = kInfinity;
        }
        for (int i = 0; i < rows; i++) {
            if (column[i] == kNone && !assign(i)) {
                return false;
            }
        }
        return true;
    }

    // Copies what columns have, unless it is there.
    __device__ void leave(double* columnDual, int* columnOwner) const
    {
        for (int j = threadIdx.x; j < columns && dual != columnDual; j += blockDim.x) {
            columnDual[j] = dual[j];
            columnOwner[j] = owner[j];
        }
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
    Solver<T> solver{
        {static_cast<const T*>(job.costs) + problem * rows * columns, columns, job.negated != 0},
        rows, columns, job.largest, job.expected, board,
        job.shares ? shared : columnDual,
        job.shares ? shared + columns : job.distance + problem * columns,
        job.reached + problem * columns,
        job.shares ? reinterpret_cast<int*>(shared + 2 * columns) : owner,
        job.predecessor + problem * columns,
        job.column + problem * rows,
        job.paid + problem * rows,
        job.queue + problem * rows,
    };
    bool wrong = false;
    if (job.table == nullptr) {
        for (int j = threadIdx.x; j < columns; j += blockDim.x) {
            solver.dual[j] = solver.reached[j] = solver.survey(j, wrong);
        }
    } else {
        wrong = job.table->wrong != 0;
        for (int j = threadIdx.x; j < columns && job.shares; j += blockDim.x) {
            solver.dual[j] = columnDual[j];
            solver.owner[j] = owner[j];
        }
    }
    bool solved = __syncthreads_or(wrong) == 0;
    if (solved && job.table == nullptr) {
        solver.bidInPhases([&] { solver.bid(); });
    }
    solved = solved && solver.search();
    if (threadIdx.x == 0) {
        job.status[problem] = solved ? 0 : 1;
        job.worst[problem] = 0;
    }
    if (!solved) {
        return;
    }
    for (int i = threadIdx.x; i < rows; i += blockDim.x) {
        job.rowDual[problem * rows + i] = solver.paid[i] - solver.dual[solver.column[i]];
    }
    solver.leave(columnDual, owner);
}

template <typename T>
__device__ inline void bid(const Job& job)
{
    extern __shared__ double shared[];
    __shared__ Board board;
    const bool first = blockIdx.x == 0;
    const int rows = static_cast<int>(job.rows);
    const int columns = static_cast<int>(job.columns);
    Table& table = *job.table;
    Solver<T> solver{
        {static_cast<const T*>(job.costs), columns, job.negated != 0},
        rows, columns, job.largest, job.expected, board,
        shared, nullptr, job.columnDual, job.owners + static_cast<long long>(blockIdx.x) * columns, nullptr,
        first ? job.column : nullptr, first ? job.paid : nullptr,
        job.queues + static_cast<long long>(blockIdx.x) * rows,
    };
    bool wrong = false;
    for (int j = blockIdx.x * blockDim.x + threadIdx.x; j < columns; j += gridDim.x * blockDim.x) {
        job.columnDual[j] = solver.survey(j, wrong);
    }
    if (wrong) {
        atomicOr(&table.wrong, 1u);
    }
    unsigned met = 0;
    __syncthreads();
    if (threadIdx.x < 32) {
        meet(table, met);
    }
    __syncthreads();
    if (table.wrong != 0) {
        return;
    }
    for (int j = threadIdx.x; j < columns; j += blockDim.x) {
        shared[j] = job.columnDual[j];
    }
    solver.bidInPhases([&] { solver.bid(table, met); });
    if (first) {
        solver.leave(job.columnDual, job.owner);
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
        costs.template eachOfRow<kBytesAhead / sizeof(T)>(row, lane, 32, [&](int j, double cost) {
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
    extern "C" __global__ void __launch_bounds__(assignment::kBidThreads, 1) bid(const assignment::Job* __restrict__ job)                 \
    {                                                                                                                                     \
        assignment::bid<T>(*job);                                                                                                         \
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
