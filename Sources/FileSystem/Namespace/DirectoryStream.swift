internal import ObjectStore
import Synchronization

/// One open directory: its entries in the order of the listing, fetched page by page as somebody reads on.
///
/// **Problem.** A directory may hold more entries than memory or patience allow to fetch at once, and `readdir` must neither
/// repeat nor skip one while others come and go.
///
/// **Design.** A cookie is the number of an entry among those that this opened directory was given (``DirectoryPages``), so it
/// holds whatever happens to the directory. The next page is asked for while the reader is still in the one before, and pages
/// behind him are let go; should he go back, their stretch is listed again.
/// Concurrency: a value under a lock; the task that fetches is started by whoever first needs the page, and shared.
final class DirectoryStream: Sendable {
    /// What has been fetched so far.
    struct State: Sendable {
        /// The entries so far.
        var pages = DirectoryPages()
        /// Where the next page begins.
        var next: ListContinuation?
        /// The last key seen, relative to the directory: where the next page's span begins.
        var lastKey: String?
        /// No page is left.
        var isComplete = false
        /// The fetch under way.
        var fetch: Task<Void, any Error>?
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
    }

    /// The directory.
    let inode: Inode
    /// What has been fetched so far.
    let state: Mutex<State>

    /// A stream at its beginning.
    init(inode: Inode, state: State = State()) {
        self.inode = inode
        self.state = Mutex(state)
    }

    /// By how many bytes its pages have grown since this was last asked.
    func takeGrowth() -> Int {
        state.withLock { state in
            defer { state.counted = state.pages.byteCount }
            return state.pages.byteCount - state.counted
        }
    }
}
