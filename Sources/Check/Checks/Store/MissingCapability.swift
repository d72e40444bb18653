internal import ObjectStore

/// What the store does not do of what Pail's promises rest on, as a probe has found it.
enum MissingCapability {
    static let info = CheckInfo(
        "store-capability", .store, .note, .never,
        one: "promise that the store cannot carry in full", many: "promises that the store cannot carry in full",
        explanation:
            "A probe has tried what the store honours. Pail does what it can instead; what is lost then is said below, and in Documentation/SEMANTICS.md, "
            + "\"Stores differ\".",
        mending: "Nothing has to be done; a store that honours conditions keeps all promises.")

    /// A finding for each.
    static func findings(_ features: StoreFeatures) -> [Finding] {
        features.missing.map { Finding(info, ObjectKey($0.rawValue), $0.cost) }
    }
}
