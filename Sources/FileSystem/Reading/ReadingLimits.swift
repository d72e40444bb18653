/// How far reading may run ahead, and in what steps. All values are in bytes.
struct ReadingLimits: Sendable, Hashable {
    /// The first window of a sequential reader. An object no larger is read whole by one request.
    var initialWindow: Int64 = 1 << 20
    /// The largest window of one reader: at 20 ms a round trip it carries 6 GB/s.
    var maximumWindow: Int64 = 128 << 20
    /// The largest request. Larger ones gain nothing per request and arrive later in their last byte.
    var maximumRequest: Int64 = 8 << 20
    /// What stays in memory behind a sequential reader, for reads that arrive out of order.
    var keptBehind: Int64 = 2 << 20
    /// How far reads of one sequential reader may arrive out of order or skip: as far as the kernel's own read-ahead goes.
    var disorder: Int64 = 16 << 20
    /// Requests are rounded to pages, in which the kernel reads.
    var pageSize: Int64 = 4096
    /// Memory is taken and given back in pieces of this size: the one that `Slab` keeps for reuse.
    var slabSize: Int64 = 1 << 20
    /// An unwanted request with less than this to come is let finish: ending it would cost its connection.
    var finishingTail: Int64 = 256 << 10

    /// The values that the type's properties name.
    init() {}
}
