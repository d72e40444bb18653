/// What a store may or may not do, one by one: each is learned by ``StoreProbe``, kept under its raw value, and named in the
/// log where it is missing, with what that costs.
public enum StoreCapability: String, Sendable, CaseIterable {
    case conditionalWrites = "conditional-writes"
    case conditionalCompletions = "conditional-completions"
    case conditionalDeletes = "conditional-deletes"
    case conditionalReads = "conditional-reads"
    case conditionalCopies = "conditional-copies"
    case conditionalCopyTargets = "conditional-copy-targets"
    case partCopies = "part-copies"
    case selfCopies = "self-copies"
    case directoryMetadata = "directory-metadata"

    /// Where ``StoreFeatures`` has it.
    public var feature: any WritableKeyPath<StoreFeatures, Bool> & Sendable {
        switch self {
        case .conditionalWrites: \.conditionalWrites
        case .conditionalCompletions: \.conditionalCompletions
        case .conditionalDeletes: \.conditionalDeletes
        case .conditionalReads: \.conditionalReads
        case .conditionalCopies: \.conditionalCopies
        case .conditionalCopyTargets: \.conditionalCopyTargets
        case .partCopies: \.partCopies
        case .selfCopies: \.selfCopies
        case .directoryMetadata: \.directoryMetadata
        }
    }

    /// What its lack costs, for a person: what the store does, what Pail does about it, what is lost.
    public var cost: String {
        switch self {
        case .conditionalWrites:
            "the store ignores If-Match and If-None-Match on PUT: Pail looks before it stores, so a change made elsewhere in "
                + "that moment may be overwritten, and two hosts may both succeed with O_EXCL or mkdir (No lost update)"
        case .conditionalCompletions:
            "the store ignores If-Match and If-None-Match on CompleteMultipartUpload: Pail looks before it completes, so a "
                + "change of a large file made elsewhere in that moment may be overwritten (No lost update)"
        case .conditionalDeletes:
            "the store ignores If-Match on DELETE: Pail looks before it deletes, so what is stored elsewhere under a name in "
                + "the moment in which it is renamed away may be lost (Rename)"
        case .conditionalReads:
            "the store ignores If-Match on GET: Pail compares the ETag of the answer; nothing but time is lost"
        case .conditionalCopies:
            "the store ignores x-amz-copy-source-if-match: Pail looks before it copies, so a change of attributes or a rename "
                + "in the moment of a replacement elsewhere may carry the new content under the old headers (No lost update)"
        case .conditionalCopyTargets:
            "the store takes no condition for the destination of a copy: Pail looks before it copies, so a rename may "
                + "overwrite what is stored elsewhere under the new name in that moment (Rename)"
        case .partCopies:
            "the store has no UploadPartCopy: a change of a part of a large file uploads all of it, and files over 5 GiB cannot "
                + "be renamed"
        case .selfCopies:
            "the store does not copy an object onto itself: the attributes of a stored file cannot be changed"
        case .directoryMetadata:
            "the store drops user metadata of keys that end in /: Pail keeps them in the content type, where s3fs does not "
                + "look for them"
        }
    }

    /// Whether its lack costs a promise; else it is dealt with in full.
    public var isPromise: Bool { self != .conditionalReads && self != .directoryMetadata }
}

extension StoreFeatures {
    /// What the store lacks of what Pail builds on.
    public var missing: [StoreCapability] { StoreCapability.allCases.filter { !self[keyPath: $0.feature] } }
}
