internal import ObjectStore

/// Objects of the probe of what the store honours. A probe takes seconds.
struct ProbeLeftover: ListingCheck {
    static let info = CheckInfo(
        "probe-leftover", .inFlight, .problem, .preen,
        one: "object that a probe of the store has left", many: "objects that probes of the store have left",
        explanation:
            "A mount finds out by small objects below .pail/probe/ what the store honours, and deletes them. It died before it could.",
        mending: "-p, -a and -y delete it.")

    /// In seconds: far longer than any probe.
    static let age: Int64 = 3600

    func see(_ entry: ListedEntry, _ scope: CheckScope, _ found: inout [Finding]) {
        guard entry.isReserved, ReservedKey(entry) == .probe,
            scope.now - entry.object.lastModified.seconds >= min(Self.age, scope.minimumAge)
        else { return }
        found.append(
            Finding(
                Self.info, entry.key, scope.age(entry.object.lastModified), repair: .deleteOwn(etag: entry.object.etag),
                confirmation: .isUnchanged(etag: entry.object.etag))
        )
    }
}
