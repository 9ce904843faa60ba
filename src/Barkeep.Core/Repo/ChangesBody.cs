using Barkeep.Storage;
using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>The uncompressed body of a segment's block changes: databases, then forks (docs/format.md, "Block changes"). The reader believes nothing.</summary>
static class ChangesBody
{
    const int MaxDatabases = 1 << 20;
    const int MaxForks = 1 << 24;

    // Blocks lie in chunks of about 1 KiB when read: this much memory, for 16 TiB of which every 64 MiB have changed.
    const int MaxChunks = 1 << 18;

    public static void Write(Stream body, BlockChanges changes)
    {
        using var buffered = new BufferedStream(body, 1 << 16);
        var writer = new VarintWriter(buffered);
        writer.Number(changes.Databases.Count);
        foreach (var (tablespace, database) in changes.Databases.Order())
        {
            writer.Number(tablespace);
            writer.Number(database);
        }
        writer.Number(changes.Forks.Count);
        foreach (var fork in changes.Forks.Keys.Order())
        {
            writer.Number(fork.Tablespace);
            writer.Number(fork.Database);
            writer.Number(fork.Relation);
            writer.Byte((byte)fork.Fork);
            WriteBlocks(writer, changes.Forks[fork]);
        }
        buffered.Flush();
    }

    /// <summary>Adds what the body says.</summary>
    /// <exception cref="Common.BarkeepException">Damaged.</exception>
    public static void Read(string name, Stream body, BlockChanges changes)
    {
        using var buffered = new BufferedStream(body, 1 << 16);
        var reader = new VarintReader(name, buffered);
        for (var count = reader.Number(MaxDatabases); count > 0; count--)
        {
            changes.AddDatabase((uint)reader.Number(uint.MaxValue), (uint)reader.Number(uint.MaxValue));
        }
        RelationFork? previous = null;
        var chunks = 0;
        for (var count = reader.Number(MaxForks); count > 0; count--)
        {
            var fork = new RelationFork(
                (uint)reader.Number(uint.MaxValue), (uint)reader.Number(uint.MaxValue), (uint)reader.Number(uint.MaxValue), (ForkNumber)reader.Byte());
            if (fork.Fork > ForkNumber.Init || fork <= previous)
            {
                throw Record.Damaged(name, $"fork {(byte)fork.Fork} of {fork.Tablespace}/{fork.Database}/{fork.Relation} is out of place");
            }
            previous = fork;
            ReadBlocks(name, reader, fork, changes, ref chunks);
        }
        if (buffered.ReadByte() >= 0)
        {
            throw Record.Damaged(name, "bytes follow its last fork");
        }
    }

    static void WriteBlocks(VarintWriter writer, ForkChanges fork)
    {
        writer.Number(fork.Limit == ForkChanges.NoLimit ? 0 : fork.Limit + 1L);
        writer.Number(fork.Blocks().LongCount());
        var next = 0L;
        foreach (var block in fork.Blocks())
        {
            writer.Number(block - next);
            next = block + 1L;
        }
    }

    static void ReadBlocks(string name, VarintReader reader, RelationFork fork, BlockChanges changes, ref int chunks)
    {
        var limit = reader.Number(ForkChanges.NoLimit);
        var end = limit == 0 ? ForkChanges.NoLimit : (uint)(limit - 1);
        changes.AddFrom(fork, end);
        var into = changes.Forks[fork];
        var next = 0L;
        for (var count = reader.Number(end); count > 0; count--)
        {
            var block = next + reader.Number(end - next - 1);
            into.Add((uint)block);
            next = block + 1;
            if (chunks + into.Chunks > MaxChunks)
            {
                throw Record.Damaged(name, "it names more blocks than a segment can");
            }
        }
        chunks += into.Chunks;
    }
}
