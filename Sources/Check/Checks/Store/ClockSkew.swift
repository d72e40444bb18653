internal import ObjectStore

/// Objects stored in the future, by this machine's clock: it is slow, or the store's is fast.
struct ClockSkew: ListingCheck {
    static let info = CheckInfo(
        "clock-skew", .store, .problem, .never,
        one: "object that was stored in the future", many: "objects that were stored in the future",
        explanation:
            "The store's time of storing is more than five minutes ahead of this machine's clock. Requests are refused at fifteen minutes, and what "
            + "is told of ages is wrong.",
        mending: "Set this machine's clock by NTP, or the store's.")

    /// In seconds.
    static let tolerance: Int64 = 300

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        let ahead = entry.object.lastModified.seconds - scope.now
        guard ahead > Self.tolerance else { return }
        found.append(Finding(Self.info, entry.key, "\(ahead) s ahead"))
    }
}
