import FileSystem
import ObjectStoreTesting
import SystemPackage

/// Something that a program does with a file that it keeps open, in one of a few slots: several slots may hold the same file,
/// which others rename, replace and remove meanwhile.
enum HandleOperation: CustomStringConvertible {
    /// open(2) into an empty slot.
    case open(slot: Int, String, OpenFlags)
    case write(slot: Int, at: Int, [UInt8])
    case read(slot: Int, at: Int, count: Int)
    case truncate(slot: Int, Int)
    /// fallocate(2)
    case allocate(slot: Int, AllocationMode, at: Int, count: Int)
    /// copy_file_range(2), of `slot` into another.
    case copy(slot: Int, at: Int, to: Int, targetOffset: Int, count: Int)
    case synchronize(slot: Int)
    case close(slot: Int)

    static let slots = 4

    var slot: Int {
        switch self {
        case .open(let slot, _, _), .write(let slot, _, _), .read(let slot, _, _), .truncate(let slot, _),
            .allocate(let slot, _, _, _), .copy(let slot, _, _, _, _), .synchronize(let slot), .close(let slot):
            slot
        }
    }

    var description: String {
        switch self {
        case .open(let slot, let path, let flags): "open #\(slot) \(path) \(flags)"
        case .write(let slot, let offset, let bytes): "write #\(slot) \(offset)+\(bytes.count)"
        case .read(let slot, let offset, let count): "read #\(slot) \(offset)+\(count)"
        case .truncate(let slot, let size): "ftruncate #\(slot) \(size)"
        case .allocate(let slot, let mode, let offset, let count): "fallocate #\(slot) \(mode) \(offset)+\(count)"
        case .copy(let slot, let offset, let target, let targetOffset, let count):
            "copy_file_range #\(slot) \(offset)+\(count) to #\(target) \(targetOffset)"
        case .synchronize(let slot): "fsync #\(slot)"
        case .close(let slot): "close #\(slot)"
        }
    }

    static func random(_ random: inout SplitMix64, path: String, bytes: [UInt8]) -> HandleOperation {
        let slot = Int.random(in: 0..<slots, using: &random)
        switch Int.random(in: 0..<18, using: &random) {
        case 0...3:
            let flags: [OpenFlags] = [
                [], .readWrite, [.writeOnly, .append], [.readWrite, .create], [.readWrite, .create],
                [.writeOnly, .create, .truncate], [.readWrite, .create, .truncate], [.readWrite, .create, .exclusive],
            ]
            return .open(slot: slot, path, flags.randomElement(using: &random)!)
        case 4...6: return .write(slot: slot, at: Int.random(in: 0..<400, using: &random), bytes)
        case 7...9:
            return .read(
                slot: slot, at: Int.random(in: 0..<300, using: &random), count: Int.random(in: 1..<300, using: &random))
        case 10: return .truncate(slot: slot, Int.random(in: 0..<400, using: &random))
        case 11: return .synchronize(slot: slot)
        case 12...13:
            let modes: [AllocationMode] = [
                [], .keepSize, .zeroRange, [.punchHole, .keepSize], [.zeroRange, .keepSize],
            ]
            return .allocate(
                slot: slot, modes.randomElement(using: &random)!, at: Int.random(in: 0..<300, using: &random),
                count: Int.random(in: 1..<200, using: &random))
        case 14...15:
            // Often from the beginning and more than there is: then the store may copy the whole object.
            let isWhole = Bool.random(using: &random)
            return .copy(
                slot: slot, at: isWhole ? 0 : Int.random(in: 0..<300, using: &random),
                to: Int.random(in: 0..<slots, using: &random),
                targetOffset: isWhole ? 0 : Int.random(in: 0..<300, using: &random),
                count: isWhole ? 10_000 : Int.random(in: 1..<300, using: &random))
        default: return .close(slot: slot)
        }
    }

    // MARK: On the model

    func perform(on model: inout ReferenceModel) throws(Errno) -> RandomOperation.Outcome {
        switch self {
        case .open(let slot, let path, let flags):
            // A program's next descriptor is another slot.
            guard model.handles[slot] == nil else { throw .fileExists }
            try model.open(path, flags, slot: slot)
        case .write(let slot, let offset, let bytes):
            let flags = try model.flags(of: slot)
            guard flags.isWritable else { throw .badFileDescriptor }
            if bytes.isEmpty { break }
            try model.editOpen(slot) { content in
                let offset = flags.contains(.append) ? content.count : offset
                if content.count < offset { content += [UInt8](repeating: 0, count: offset - content.count) }
                content.replaceSubrange(offset..<min(content.count, offset + bytes.count), with: bytes)
            }
        case .read(let slot, let offset, let count):
            guard try model.flags(of: slot).isReadable else { throw .badFileDescriptor }
            model.noteRead(slot: slot)
            return .bytes(Array(try model.content(of: slot).dropFirst(offset).prefix(count)))
        case .truncate(let slot, let size):
            guard try model.flags(of: slot).isWritable else { throw .badFileDescriptor }
            try model.editOpen(slot) { content in
                if content.count > size { content.removeSubrange(size...) }
                content += [UInt8](repeating: 0, count: size - content.count)
            }
        case .allocate(let slot, let mode, let offset, let count):
            guard try model.flags(of: slot).isWritable else { throw .badFileDescriptor }
            try model.editOpen(slot) { content in
                if mode == .keepSize { return }
                if !mode.contains(.keepSize), content.count < offset + count {
                    content += [UInt8](repeating: 0, count: offset + count - content.count)
                }
                if mode.isEmpty { return }
                for index in offset..<max(offset, min(content.count, offset + count)) { content[index] = 0 }
            }
        case .copy(let slot, let offset, let target, let targetOffset, let count):
            try Self.checkCopy(from: try model.flags(of: slot), to: try model.flags(of: target))
            guard model.handles[slot]?.identity != model.handles[target]?.identity else { throw .invalidArgument }
            model.noteRead(slot: slot)
            let bytes = Array(try model.content(of: slot).dropFirst(offset).prefix(count))
            if bytes.isEmpty { break }
            try model.editOpen(target) { content in
                if content.count < targetOffset {
                    content += [UInt8](repeating: 0, count: targetOffset - content.count)
                }
                content.replaceSubrange(targetOffset..<min(content.count, targetOffset + bytes.count), with: bytes)
            }
        case .synchronize(let slot): _ = try model.flags(of: slot)
        case .close(let slot): try model.close(slot)
        }
        return .done
    }

    /// What the kernel checks before a copy.
    private static func checkCopy(from source: OpenFlags, to target: OpenFlags) throws(Errno) {
        guard source.isReadable, target.isWritable, !target.contains(.append) else { throw .badFileDescriptor }
    }

    // MARK: On the file system

    /// What an open slot holds.
    struct Slot {
        let handle: HandleID
        let node: NodeID
        let flags: OpenFlags
    }

    func perform(on driver: FileSystemDriver, _ slots: inout [Int: Slot]) async throws(Errno) -> RandomOperation.Outcome
    {
        if case .open(let number, let path, let flags) = self {
            guard slots[number] == nil else { throw .fileExists }
            let handle = try await driver.open(path, flags)
            let (node, _, held) = try await driver.walk(path)
            // The kernel's file holds the inode: all lookups but the last one are given back now, that one with the close.
            driver.forget(held.dropLast())
            slots[number] = Slot(handle: handle, node: node, flags: flags)
            return .done
        }
        guard let slot = slots[self.slot] else { throw .badFileDescriptor }
        switch self {
        case .open: break
        case .write(_, let offset, let bytes):
            guard slot.flags.isWritable else { throw .badFileDescriptor }
            if !bytes.isEmpty { try await driver.write(slot.handle, at: Int64(offset), bytes) }
        case .read(_, let offset, let count):
            guard slot.flags.isReadable else { throw .badFileDescriptor }
            return .bytes(try await driver.read(slot.handle, at: Int64(offset), count: count))
        case .truncate(_, let size):
            guard slot.flags.isWritable else { throw .badFileDescriptor }
            var changes = AttributeChanges()
            changes.size = Int64(size)
            _ = try await driver.fileSystem.setAttributes(
                of: slot.node, handle: slot.handle, to: changes, by: driver.caller)
        case .allocate(_, let mode, let offset, let count):
            guard slot.flags.isWritable else { throw .badFileDescriptor }
            try await driver.fileSystem.allocate(
                slot.handle, mode: mode, offset: Int64(offset), length: Int64(count))
        case .copy(_, let offset, let number, let targetOffset, let count):
            guard let target = slots[number] else { throw .badFileDescriptor }
            try Self.checkCopy(from: slot.flags, to: target.flags)
            guard slot.node != target.node else { throw .invalidArgument }
            try await driver.copy(slot.handle, at: offset, to: target.handle, at: targetOffset, count: count)
        case .synchronize: try await driver.fileSystem.synchronize(slot.handle)
        case .close(let number):
            slots[number] = nil
            defer { driver.forget([slot.node]) }
            try await driver.close(slot.handle)
        }
        return .done
    }
}
