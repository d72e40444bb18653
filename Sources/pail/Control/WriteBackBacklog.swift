import LocalState
import ObjectStore

/// What write-back mode has still to upload.
struct WriteBackBacklog: Backlog {
    /// Where it lies.
    let store: WriteBackStore
    /// What the mount's keys begin with.
    let prefix: String

    /// Without any progress for so long, `pail sync` gives up on changes that the store has refused.
    private static let patience = Duration.seconds(60)

    var mode: String { "write-back" }
    var journal: Journal { store.journal }

    func pending() async -> MountStatus.Pending {
        let summary = store.pending(limit: 100)
        return MountStatus.Pending(
            changes: summary.count, bytes: summary.bytes, oldestAge: Double(summary.oldestAge),
            first: summary.items.map {
                .init(
                    kind: $0.kind.rawValue, key: $0.key.string, bytes: $0.bytes, age: Double($0.age),
                    attempts: $0.attempts, lastError: $0.lastError)
            },
            kept: .of(journal))
    }

    func settle(below path: String) async -> String? {
        let keptBefore = Set(store.pending(limit: 0).kept.map(\.id))
        let problem = await withTaskGroup(of: String?.self) { group in
            group.addTask {
                do throws(StoreError) { try await store.settle(prefix: prefix + path) } catch { return "\(error)" }
                return nil
            }
            group.addTask { await stuck() }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        if let problem { return problem }
        let kept = store.pending(limit: 0).kept.filter { !keptBefore.contains($0.id) }
        guard let first = kept.first else { return nil }
        return
            "\(kept.count) files were changed elsewhere meanwhile and are kept on this machine, the first \"\(first.key)\"; see "
            + "pail recover"
    }

    /// Returns once nothing has moved for a while and every change that is left has failed; never where the task is cancelled first.
    private func stuck() async -> String? {
        var finished = store.pending(limit: 0).finished
        var since = ContinuousClock.now
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            let summary = store.pending(limit: 1000)
            let isFailing = summary.count > 0 && summary.failing == summary.count
            if summary.finished != finished || !isFailing {
                finished = summary.finished
                since = .now
            } else if ContinuousClock.now - since > Self.patience, let item = summary.items.first {
                return
                    "\(summary.count) changes cannot be stored and stay on this machine, the first \"\(item.key)\": \(item.lastError ?? "unknown")"
            }
        }
        return nil
    }
}
