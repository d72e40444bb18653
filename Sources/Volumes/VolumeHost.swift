/// What a volume needs of the machine: mounts. ``MountProcesses`` is the real one.
protocol VolumeHost: Sendable {
    /// What is at the place. Never waits for a store or for a mount that does not answer.
    func inspect(_ path: String) async -> VolumeMachine.Found
    /// Mounts at the place, which is made where it is missing; a dead mount there is replaced.
    func mount(_ record: VolumeRecord, at path: String) async throws(VolumeRefusal)
    /// Takes away what is mounted there, and waits until what it has not stored yet is stored.
    func unmount(_ path: String) async throws(VolumeRefusal)
    /// Removes the empty directory, if it is there.
    func clear(_ path: String) async throws(VolumeRefusal)
}
