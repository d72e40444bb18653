/// The life of one volume: who has it mounted, and what is to be done for a call. Pure: no I/O, no lock, no clock.
///
/// **Problem.** Several containers share one mount, and the plugin may be killed between any two steps of a call. The count of those
/// who use the mount must be neither lost (the mount would be taken from under a container) nor doubled (it would stay for ever).
///
/// **Design.** References are a set of the callers' IDs, so that a call that is made twice counts once. A call is a sequence of actions;
/// the thin class around the machine carries out one after the other and says how it went. The order says what a death in between means:
/// - *Mount* mounts first, then writes the reference, then answers. Died before the reference: a mount that nobody was promised, taken away by
///   the next ``Request/restore``, or taken over by the next Mount.
/// - *Unmount* takes the reference out first, then unmounts. Died in between: again a mount without a reference.
/// - *Remove* unmounts, removes the directory, and erases the record last. Died in between: a volume that can be removed again.
///
/// So a reference on the disk always is one that was asked for, and one that was answered is on the disk.
///
/// **Limits.** A caller whose answer was lost and who does not call again is a reference that stays until the system starts anew.
struct VolumeMachine: Sendable {
    /// What is asked for.
    enum Request: Sendable, Equatable {
        case create(VolumeRecord)
        case mount(id: String)
        case unmount(id: String)
        case remove
        /// After a start of the plugin, and now and then: what is there becomes what the record says.
        case restore
    }

    /// What is to be done next.
    enum Action: Sendable, Equatable {
        /// Look at what is mounted at the volume's place; answer by ``Event/found(_:)``. All others are answered by success or failure.
        case inspect
        /// Mount, in a dead mount's place too.
        case mount(VolumeRecord)
        /// Take away whatever is mounted there, dead or alive.
        case unmount
        /// Remove the empty directory that it was mounted on.
        case clear
        /// Write the record, durably.
        case write(VolumeRecord)
        /// Take the record away, durably.
        case erase
        /// Nothing more: the call succeeded.
        case done
        /// Nothing more: the call is refused.
        case refuse(VolumeRefusal)
    }

    /// How an action went.
    enum Event: Sendable, Equatable {
        case found(Found)
        case succeeded
        case failed(VolumeRefusal)
    }

    /// What is at the volume's place.
    enum Found: Sendable, Equatable {
        case nothing
        case mount
        /// A mount whose process has ended.
        case deadMount
    }

    /// What the action that was asked for last was for.
    private enum Step: Sendable, Equatable {
        case idle
        case creating(VolumeRecord)
        case mountInspecting(id: String)
        case mounting(id: String)
        /// Looking again after a mount that failed.
        case mountFailed(id: String, VolumeRefusal)
        case referring(VolumeRecord, isFirst: Bool)
        case takingBack(VolumeRefusal)
        case releasing(VolumeRecord)
        case lastUnmounting
        case unmountInspecting
        case removeInspecting
        case removeUnmounting
        case clearing
        case erasing
        case forgetting(VolumeRecord)
        case restoreInspecting
        case restoreMounting
        case restoreFailed(VolumeRefusal)
    }

    /// What is on the disk; nil where there is no such volume.
    private(set) var record: VolumeRecord?
    private let bootID: String
    private var step = Step.idle

    /// - Parameters:
    ///   - record: what the disk has.
    ///   - bootID: of the system as it runs now.
    init(record: VolumeRecord?, bootID: String) {
        self.record = record
        self.bootID = bootID
    }

    /// Begins a call. Only after the one before has come to its end.
    mutating func begin(_ request: Request) -> Action {
        precondition(step == .idle, "a call before the end of another")
        if case .create(let new) = request {
            guard let record else { return go(.creating(new), .write(new)) }
            return record.options == new.options
                ? .done : .refuse(VolumeRefusal("the volume \(new.name) is there already, with other options"))
        }
        guard let record else {
            return request == .restore ? .done : .refuse(VolumeRefusal("there is no such volume"))
        }
        switch request {
        case .create: preconditionFailure("handled above")
        case .mount(let id): return go(.mountInspecting(id: id), .inspect)
        case .unmount(let id):
            if record.references.contains(id) {
                var left = record
                left.references.remove(id)
                return go(.releasing(left), .write(left))
            }
            // Asked for twice, or of a time before. Others may have it mounted.
            return record.references.isEmpty ? go(.unmountInspecting, .inspect) : .done
        case .remove:
            guard record.references.isEmpty else {
                return .refuse(VolumeRefusal("the volume is in use, \(record.references.count) times"))
            }
            return go(.removeInspecting, .inspect)
        case .restore:
            guard record.bootID != bootID else { return go(.restoreInspecting, .inspect) }
            var forgotten = record
            forgotten.references = []
            forgotten.bootID = bootID
            return go(.forgetting(forgotten), .write(forgotten))
        }
    }

    /// Goes on after an action.
    mutating func advance(_ event: Event) -> Action {
        let step = self.step
        self.step = .idle
        if case .failed(let reason) = event { return failed(step, reason) }
        if case .found(let found) = event { return self.found(step, found) }
        switch step {
        case .creating(let new):
            record = new
            return .done
        case .mounting(let id): return refer(id, isFirst: true)
        case .referring(let new, _), .forgetting(let new):
            record = new
            if case .forgetting = step { return go(.restoreInspecting, .inspect) }
            return .done
        case .takingBack(let reason): return .refuse(reason)
        case .releasing(let left):
            record = left
            return left.references.isEmpty ? go(.lastUnmounting, .unmount) : .done
        case .lastUnmounting, .restoreMounting: return .done
        case .removeUnmounting: return go(.clearing, .clear)
        case .clearing: return go(.erasing, .erase)
        case .erasing:
            record = nil
            return .done
        case .idle, .mountInspecting, .mountFailed, .unmountInspecting, .removeInspecting, .restoreInspecting,
            .restoreFailed:
            preconditionFailure("an answer that nothing was asked for")
        }
    }

    private mutating func found(_ step: Step, _ found: Found) -> Action {
        guard let record else { preconditionFailure("a look at no volume") }
        switch step {
        case .mountInspecting(let id):
            return found == .mount ? refer(id, isFirst: false) : go(.mounting(id: id), .mount(record))
        case .mountFailed(let id, let reason): return found == .mount ? refer(id, isFirst: true) : .refuse(reason)
        case .restoreFailed(let reason): return found == .mount ? .done : .refuse(reason)
        case .unmountInspecting: return found == .nothing ? .done : go(.lastUnmounting, .unmount)
        case .removeInspecting:
            return found == .nothing ? go(.clearing, .clear) : go(.removeUnmounting, .unmount)
        case .restoreInspecting:
            if record.references.isEmpty { return found == .nothing ? .done : go(.lastUnmounting, .unmount) }
            return found == .mount ? .done : go(.restoreMounting, .mount(record))
        default: preconditionFailure("a look that nobody asked for")
        }
    }

    private mutating func failed(_ step: Step, _ reason: VolumeRefusal) -> Action {
        // A mount without a reference is one too many.
        if case .referring(_, isFirst: true) = step, record?.references.isEmpty ?? true {
            return go(.takingBack(reason), .unmount)
        }
        if case .takingBack(let first) = step { return .refuse(first) }
        // A mount that a plugin before this one had begun may have come first.
        if case .mounting(let id) = step { return go(.mountFailed(id: id, reason), .inspect) }
        if case .restoreMounting = step { return go(.restoreFailed(reason), .inspect) }
        return .refuse(reason)
    }

    /// The volume is mounted: writes who asked for it, unless that is known.
    private mutating func refer(_ id: String, isFirst: Bool) -> Action {
        guard var new = record else { preconditionFailure("a reference to no volume") }
        if new.bootID != bootID {
            new.references = []
            new.bootID = bootID
        }
        if new.references.contains(id) { return .done }
        new.references.insert(id)
        return go(.referring(new, isFirst: isFirst), .write(new))
    }

    private mutating func go(_ step: Step, _ action: Action) -> Action {
        self.step = step
        return action
    }
}
