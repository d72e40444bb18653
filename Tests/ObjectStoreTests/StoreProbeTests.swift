import ObjectStore
import ObjectStoreTesting
import Testing

/// The probe of what a store honours: every lack is seen, alone and together, and nothing stays behind.
struct StoreProbeTests {
    static let conditions: [StoreCapability] = [
        .conditionalWrites, .conditionalCompletions, .conditionalDeletes, .conditionalReads, .conditionalCopies,
        .conditionalCopyTargets,
    ]

    private func probe(_ store: any ObjectStore) async throws -> StoreProbe.Result {
        try await StoreProbe(store, prefix: "mounted/").run()
    }

    @Test func aStoreLikeS3LacksNothingAndIsLeftAsItWas() async throws {
        let store = InMemoryStore()
        _ = try await store.put("file", body: ArrayBody([1]), metadata: ObjectMetadata(), if: .none)
        let result = try await probe(store)
        #expect(result.features == StoreFeatures())
        #expect(result.isConclusive)
        #expect(try await store.listAll("").objects.map(\.key) == ["file"])
        #expect(try await store.listUploads(prefix: "", after: nil).uploads.isEmpty)
    }

    @Test(arguments: conditions + [.partCopies, .selfCopies])
    func eachLackIsSeenAlone(_ capability: StoreCapability) async throws {
        let base = InMemoryStore()
        let result = try await probe(ConditionBlindStore(base, blind: [capability]))
        #expect(result.features.missing == [capability])
        #expect(try await base.listAll("").objects.isEmpty)
        #expect(try await base.listUploads(prefix: "", after: nil).uploads.isEmpty)
    }

    @Test(arguments: conditions) func aStoreThatRefusesTheRightConditionTooLacksIt(_ capability: StoreCapability)
        async throws
    {
        let result = try await probe(ConditionBlindStore(InMemoryStore(), blind: [capability], .refusesAll))
        #expect(result.features.missing.contains(capability))
    }

    @Test func whatSeaweedFSDropsIsSeen() async throws {
        // The features that it tells of itself are not what counts.
        let result = try await probe(ConditionBlindStore(InMemoryStore(options: .seaweedFS), blind: []))
        #expect(result.features.missing == [.directoryMetadata])
        let blind = try await probe(InMemoryStore(options: .ignoringConditions))
        #expect(blind.features.missing == Self.conditions)
    }

    @Test func aDeniedWriteIsToldAndLeavesNothing() async throws {
        let base = InMemoryStore()
        let store = FaultyStore(base, plan: ScriptedFaults([.init(.before(.accessDenied), on: .put)]))
        await #expect { try await probe(store) } throws: { ($0 as? StoreError)?.kind == .accessDenied }
        #expect(try await base.listAll("").objects.isEmpty)
    }

    @Test(arguments: 0..<100) func faultsNeverMakeALackAHonouredCondition(_ seed: UInt64) async throws {
        let base = InMemoryStore()
        let blind = ConditionBlindStore(base, blind: Set(Self.conditions))
        let plan = SeededFaults(
            seed: seed, probability: 0.05,
            faults: [.before(.serverError), .after(.serverError), .before(.timedOut), .after(.timedOut), .duplicated])
        guard let result = try? await probe(FaultyStore(blind, plan: plan)) else { return }
        #expect(Set(result.features.missing).isSuperset(of: Self.conditions), "seed \(seed)")
        #expect(!result.features.isProbing)
    }

    @Test func aFailingServerIsNotRemembered() async throws {
        let store = FaultyStore(
            InMemoryStore(), plan: ScriptedFaults([.init(.before(.serverError), on: .copyPart, times: 9)]))
        let result = try await probe(store)
        #expect(!result.isConclusive)
        #expect(result.features.missing.contains(.partCopies))
    }
}
