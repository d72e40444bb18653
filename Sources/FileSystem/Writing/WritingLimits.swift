import ObjectStore

/// How a file being written is staged and uploaded. The defaults are what a mount uses; tests make everything tiny.
struct WritingLimits: Sendable {
    /// Bytes of the first parts of a multipart upload: see ``PartSchedule``. S3 takes 5 MiB to 5 GiB.
    var partSize: Int64 = 8 << 20
    /// A file of at most this size is stored by a single PUT.
    var singlePutThreshold: Int64 = 8 << 20
    /// Parts of one file sent or copied at once.
    var parallelParts = 8
    /// How far a sequential writer may run ahead of the upload of what it wrote, in bytes, even if there is memory: one fast
    /// writer shall not take all of the budget. Counted while parts are in flight.
    var streamingWindow: Int64 = 96 << 20
    /// The size of one server-side copy of a part. Stores copy at hundreds of MB a second, so several run side by side.
    var copyPartSize: Int64 = 256 << 20
    /// Sizes of the blocks that staged bytes are kept in: a file's first blocks are small, so that many small open files
    /// do not reserve much, and each next one is the next size up. Ascending, at least one.
    var blockSizes = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20]
    /// Blocks of the spill file for a sequential writer; a random one takes exact pages.
    var spillBlockSize = 1 << 20
    /// Freed space that the spill file may hold on to while writing goes on, in bytes.
    var spillSlack: Int64 = 4 << 20
    /// Where the spill file is made.
    var spillDirectory: String
    /// What becomes of the bytes of a part that was uploaded while writing goes on.
    var uploadedParts = UploadedParts.keptOnDisk
    /// Copies of uploaded parts are not put on a disk with less than this free, in bytes. Bytes that nobody else has are.
    var minimumFreeDisk: Int64 = 1 << 30

    /// What all spilled bytes of the mount are counted by.
    var disk = DiskBudget()
    /// How long a writer waits for others' uploads to make room where neither memory nor disk has any, before it gets ENOSPC.
    var spaceWait = Duration.seconds(20)

    /// What becomes of the bytes of a part that was uploaded while writing goes on.
    enum UploadedParts: Sendable {
        /// They are moved to the spill file while the disk has room: they can be read back and changed at any time.
        case keptOnDisk
        /// They are dropped: for a file that is known not to be read or changed before it is closed. If it is after all, what
        /// is written so far becomes visible in the bucket.
        case dropped
    }

    /// The defaults, spilling into `spillDirectory`.
    init(spillDirectory: String) { self.spillDirectory = spillDirectory }
}

/// How large part `n` of an upload is.
///
/// S3 takes 10,000 parts and does not want to know the file's size before the last byte. With one size for all, either small
/// files have too few parts to send in parallel or large ones too many. So the size doubles every tenth of the count: from
/// 8 MiB to 4 GiB, 8 TB in all, more than the largest object (5 TiB).
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
struct PartSchedule: Sendable {
    /// The size of the first parts in bytes.
    let first: Int64
    private let maximum: Int64
    private let step: Int

    /// A schedule that keeps to what the store takes.
    init(partSize: Int64, features: StoreFeatures) {
        first = max(partSize, features.minimumPartSize, 1)
        maximum = max(features.maximumPartSize, first)
        step = max(1, features.maximumPartCount / 10)
    }

    /// The size of part `number`, which counts from 1.
    func size(ofPart number: Int) -> Int64 {
        let doublings = min((number - 1) / step, 40)
        let (size, overflow) = first.multipliedReportingOverflow(by: 1 << Int64(doublings))
        return overflow ? maximum : min(size, maximum)
    }
}
