/// The inode numbers of what was renamed here.
///
/// **Problem.** An inode number follows from the path, so that it is the same whenever the path is met. A rename keeps the number, as
/// programs expect; but when the kernel has forgotten the inode since, whenever it likes, the path would give another one.
///
/// **Design.** Numbers that left their path are noted; when such an inode is forgotten, its number is kept under the path that it has
/// then, for whoever looks that up next. A value: no lock, no request.
///
/// **Limits.** Of the last ``most`` renamed inodes. What is below a directory that was renamed gets the number of its new path once it is
/// forgotten.
struct MovedNumbers: Sendable {
    /// So many are kept for forgotten inodes.
    static let most = 16_384

    private var inUse: Set<UInt64> = []
    private var kept: [String: UInt64] = [:]

    /// An inode with this number has got another path.
    mutating func moved(_ number: UInt64) { inUse.insert(number) }

    /// Whether a number is another than its path's.
    func hasMoved(_ number: UInt64) -> Bool { !inUse.isEmpty && inUse.contains(number) }

    /// Such an inode is forgotten, which was at `path`; nil for what was unlinked.
    mutating func forgotten(_ number: UInt64, at path: String?) {
        guard inUse.remove(number) != nil, let path else { return }
        if kept.count >= Self.most, let some = kept.keys.first { kept[some] = nil }
        kept[path] = number
    }

    /// The number that what is at `path` had before it was forgotten; nil for that of the path.
    mutating func recalled(_ path: String) -> UInt64? {
        guard !kept.isEmpty, let number = kept.removeValue(forKey: path) else { return nil }
        inUse.insert(number)
        return number
    }
}
