internal import ObjectStore
import Synchronization

/// One open directory: its entries in the order of the listing, fetched page by page as somebody reads on.
///
/// **Problem.** A directory may hold more entries than memory or patience allow to fetch at once, and `readdir` must neither
/// repeat nor skip one while others come and go.
///
/// **Design.** A cookie is the number of an entry among those that this opened directory was given (``DirectoryPages``), so it
/// holds whatever happens to the directory. The next page is asked for while the reader is still in the one before, and pages
/// behind him are let go; should he go back, their stretch is listed again. A reader who has to wait for a page again and again gets
/// more of them at once, by several streams: ``ListingPlan``.
/// Concurrency: a value under a lock; each request has its task, started by whoever first needs a page, and shared.
final class DirectoryStream: Sendable {
    /// What has been fetched so far.
    struct State: Sendable {
        /// The entries so far.
        var pages = DirectoryPages()
        /// Which pages to ask for, and their order.
        var plan: ListingPlan
        /// No page is left.
        var isComplete = false
        /// The requests under way.
        var requests: [Int: Task<Void, any Error>] = [:]
        /// How often the reader has begun anew: what was asked for before is of no use.
        var generation = 0
        /// How many pages may be ahead of the reader.
        var window = 1
        /// The number of the entry that the reader was given last.
        var reached = 0
        /// Some entry has been given to the reader.
        var hasEmitted = false
        /// The reader wants attributes with the entries (READDIRPLUS).
        var wantsAttributes = false
        /// When the first page was asked for.
        var began: Moment?
        /// Entries before this number that a reply began at were all gone: the reply has to look further on.
        var passed: (from: Int, to: Int) = (0, 0)
        /// The directory was closed: what a fetch still brings is dropped.
        var isReleased = false
        /// The bytes of its pages that are counted.
        var counted = 0

        /// A directory at its beginning, to be listed by so many streams at most.
        init(streams: Int) { plan = ListingPlan(streams: streams) }

        /// The bytes of memory that its pages take, about.
        var byteCount: Int { pages.byteCount + plan.byteCount }

        /// Pages that the reader has not read.
        var unread: Int { max(0, pages.count - reached) / plan.pageSize }

        /// The reader has to wait: more at once from now on, up to so many pages.
        mutating func noteWait(most: Int) {
            if pages.count > 0 { window = min(2 * window, most) }
        }

        /// Drops what is under way and held: the directory begins anew.
        mutating func drop() -> [Task<Void, any Error>] {
            defer {
                requests = [:]
                pages = DirectoryPages()
                plan = ListingPlan()
            }
            return Array(requests.values)
        }
    }

    /// The directory.
    let inode: Inode
    /// What has been fetched so far.
    let state: Mutex<State>

    /// A stream at its beginning.
    init(inode: Inode, state: State) {
        self.inode = inode
        self.state = Mutex(state)
    }

    /// By how many bytes its pages have grown since this was last asked.
    func takeGrowth() -> Int {
        state.withLock { state in
            let now = state.byteCount
            defer { state.counted = now }
            return now - state.counted
        }
    }
}
