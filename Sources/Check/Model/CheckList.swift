/// All checks, in the order of the output.
public enum CheckList {
    static let listing: [any ListingCheck.Type] = [
        ClockSkew.self, UnshowableKey.self, FileAndDirectory.self, OrphanMarker.self, MarkerWithBody.self,
        InvalidUTF8.self, UnicodeTwins.self, ForeignMarker.self, MissingMarker.self, UnlinkedLeftover.self,
        ExchangeLeftover.self, ProbeLeftover.self, HiddenFile.self, ReservedStranger.self, ArchivedObject.self,
    ]

    static let headers: [any HeaderCheck.Type] = [
        BadMode.self, TypeContradictsKey.self, BadOwner.self, BadTime.self, BadExtendedAttributes.self,
        BadLinkTarget.self, HiddenBody.self, PlainDirectory.self, LargeMetadata.self, ForeignAttributes.self,
    ]

    static let local: [any LocalCheck.Type] = [
        JournalDamaged.self, UnreadableRecord.self, StagedContentDamaged.self, KeptConflict.self, PendingChange.self,
        UnfinishedRenames.self, AbandonedUpload.self, AbandonedCopy.self, UnneededContent.self, StrayContentFile.self,
        JournalOverQuota.self, JournalSetAside.self, CachedBlockDamaged.self,
    ]

    /// A fresh set of the checks of the listing.
    static func makeListingChecks() -> [any ListingCheck] {
        [
            ClockSkew(), UnshowableKey(), FileAndDirectory(), OrphanMarker(), MarkerWithBody(), InvalidUTF8(),
            UnicodeTwins(), ForeignMarker(), MissingMarker(), UnlinkedLeftover(), ExchangeLeftover(), ProbeLeftover(),
            HiddenFile(), ReservedStranger(), ArchivedObject(),
        ]
    }

    /// What each check is, in the order of the output.
    public static let all: [CheckInfo] =
        [MissingCapability.info, BucketVersions.info, UploadLifecycle.info] + local.map { $0.info }
        + [SpillLeftover.info] + listing.map { $0.info } + headers.map { $0.info }
        + [IncompleteUpload.info, DamagedContent.info]

    /// By name.
    static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}

extension CheckList {
    /// A table of all checks, for `CHECK.md`.
    public static var markdown: String {
        let rows = all.map { check in
            let mended =
                switch check.repair {
                case .preen: "`-p`"
                case .asked: "`-y`"
                case .never: "by a person"
                }
            let cells = [
                "`\(check.name)`", check.group.rawValue, check.severity.rawValue, mended, check.explanation,
                check.mending,
            ]
            return "| " + cells.joined(separator: " | ") + " |"
        }
        return
            (["| check | group | severity | mended | what it means | what to do |", "|---|---|---|---|---|---|"] + rows)
            .joined(separator: "\n")
    }
}
