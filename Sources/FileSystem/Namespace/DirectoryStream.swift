internal import ObjectStore
import Synchronization

/// One open directory: its entries in the order of the listing, fetched page by page as somebody reads on.
///
/// **Problem.** A directory may hold more entries than memory or patience allow to fetch at once, and `readdir` must neither
/// repeat nor skip one while others come and go.
///
/// **Design.** Each opened directory keeps the entries that it has been given so far; a cookie is an index among them, so it
/// holds whatever happens to the directory. The next page is asked for while the reader is still in the one before.
/// Concurrency: a value under a lock; the task that fetches is started by whoever first needs the page, and shared.
final class DirectoryStream: Sendable {
    /// What has been fetched so far.
    struct State: Sendable {
        /// The entries so far.
        var entries: [KnownEntries.Entry] = []
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
        /// When the first page was asked for.
        var began: Moment?
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
}
