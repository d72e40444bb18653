internal import LocalState
internal import Logging
internal import ObjectStore

/// Checks what mounts keep on this machine, and lets ``StateRecovery`` mend it.
///
/// **Design.** A directory is looked at while this process holds its lock, so that no mount works in it: look, mend if that is asked for,
/// look again; what is not found any more was mended. A directory that a live mount holds is that mount's affair: only what
/// is kept for a person is told.
///
/// **Limits.** A mount that is started while its directory is looked at takes another one, as beside another mount, and what is in the
/// first is shown once it is uploaded.
struct LocalStateCheck: Sendable {
    let options: LocalStateOptions
    let scope: CheckScope
    let mending: CheckOptions.Mending
    /// Whether contents are compared with their checksums.
    let isDeep: Bool
    let recovery: StateRecovery
    let logger: Logger

    /// What came of it.
    struct Outcome: Sendable {
        var findings: [(finding: Finding, state: CheckReport.State, remark: String?)] = []
        var moves: [StateRecovery.Move] = []
        var remarks: [String] = []
        var errors: [String] = []
        /// What the journals of dead mounts name in the bucket, and so has been told.
        var told = OwnedWork()
    }

    /// All directories, one after the other.
    func run() async -> Outcome {
        var outcome = Outcome()
        for path in options.directories where !Task.isCancelled {
            do throws(LocalStateError) {
                try await check(path, &outcome)
            } catch {
                if case .inUse(let pid) = error.kind {
                    look(path, heldBy: pid, &outcome)
                } else {
                    outcome.errors.append("\(error)")
                }
            }
        }
        spilled(&outcome)
        return outcome
    }

    private func check(_ path: String, _ outcome: inout Outcome) async throws(LocalStateError) {
        let owned = try StateDirectory.open(path)
        let before: InspectedState
        do throws(LocalStateError) { before = try inspect(path) } catch {
            owned.close()
            throw error
        }
        let found = Self.findings(before)
        if let inventory = before.inventory { outcome.told.add(inventory) }
        guard found.contains(where: { mending.covers($0.check) }), !Task.isCancelled else {
            owned.close()
            outcome.findings += found.map { ($0, .found, nil) }
            return
        }
        var limits = Journal.Options()
        limits.minimumFree = 0
        let journal: Journal
        do throws(LocalStateError) { journal = try Journal.open(in: owned, options: limits, logger: logger) } catch {
            owned.close()
            throw error
        }
        outcome.moves += await recovery.run(journal, movesKept: mending == .all)
        for finding in found where finding.check == CachedBlockDamaged.info { platformRemove(finding.key.string) }
        journal.close()
        try settle(found, path, &outcome)
    }

    /// Looks again, and says of each finding what became of it.
    private func settle(_ found: [Finding], _ path: String, _ outcome: inout Outcome) throws(LocalStateError) {
        let owned = try StateDirectory.open(path)
        defer { owned.close() }
        let left = Self.findings(try inspect(path))
        for finding in found {
            let isLeft = left.contains { $0.check == finding.check && $0.key == finding.key }
            switch (mending.covers(finding.check), isLeft) {
            case (true, true): outcome.findings.append((finding, .failed, "the log says why; it stays as it was"))
            case (true, false):
                let copy = outcome.moves.last { $0.from == finding.key && $0.check == finding.check.name }
                outcome.findings.append((finding, .mended, copy.map { "now \($0.to)" }))
            case (false, true): outcome.findings.append((finding, .found, nil))
            case (false, false): break
            }
        }
        for finding in left where !found.contains(where: { $0.check == finding.check && $0.key == finding.key }) {
            outcome.findings.append((finding, .found, nil))
        }
    }

    private func inspect(_ path: String) throws(LocalStateError) -> InspectedState {
        var inventory: JournalInventory?
        var damage: String?
        if KeptArchive.isJournal(path) {
            do throws(LocalStateError) {
                inventory = try JournalInventory.read(path, isDeep ? .contents : .files)
            } catch {
                guard error.kind == .damaged else { throw error }
                damage = error.detail
            }
        }
        return InspectedState(
            path: path, inventory: inventory, damage: damage, setAside: JournalInventory.setAside(in: path),
            damagedBlocks: isDeep ? CachedBlocks.damaged(in: path) : [],
            maximumBytes: options.maximumBytes, scope: scope)
    }

    private static func findings(_ state: InspectedState) -> [Finding] { CheckList.local.flatMap { $0.see(state) } }

    /// A live mount's directory: only what waits for a person is told.
    private func look(_ path: String, heldBy pid: Int32?, _ outcome: inout Outcome) {
        outcome.remarks.append(
            "\(path) is in use by \(pid.map { "process \($0)" } ?? "another process"), which looks after it; only what is kept there for a person "
                + "was looked at")
        guard let inventory = try? JournalInventory.read(path, .rows) else { return }
        let state = InspectedState(
            path: path, inventory: inventory, damage: nil, setAside: [], damagedBlocks: [], maximumBytes: .max,
            scope: scope)
        for finding in KeptConflict.see(state) {
            let isRefused = mending.covers(finding.check)
            outcome.findings.append(
                (finding, isRefused ? .failed : .found, isRefused ? "its mount runs: use pail recover" : nil))
        }
    }

    private func spilled(_ outcome: inout Outcome) {
        guard let folder = options.spillDirectory else { return }
        for file in SpilledFile.all(in: folder) {
            guard let finding = SpillLeftover.see(file, scope) else { continue }
            if mending.covers(finding.check) { platformRemove(file.path) }
            outcome.findings.append((finding, mending.covers(finding.check) ? .mended : .found, nil))
        }
    }
}

extension CheckOptions.Mending {
    /// Whether findings of a check are to be mended.
    func covers(_ check: CheckInfo) -> Bool {
        switch self {
        case .nothing: false
        case .preen: check.repair == .preen
        case .all: check.repair != .never
        }
    }
}
