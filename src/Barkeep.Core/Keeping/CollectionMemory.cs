using System.Text.Json;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Keeping;

/// <summary>
/// What the last finished collection saw (<c>collected.json</c>). New backups make no garbage but where WAL waits for one: as long as all that it saw is
/// there and nothing but backups was added, another collection would find nothing. Losing the file costs one collection.
/// </summary>
/// <param name="Backups">The backups that had a manifest: <c>1/20261123T131251</c>, with their lineage's number.</param>
/// <param name="Owners">Those without one whose packs others need.</param>
/// <param name="Standalone">Those that were kept by themselves.</param>
/// <param name="Newest">The newest of each lineage whose WAL was complete.</param>
/// <param name="AwaitsBackup">Whether WAL was left that a newer one may make garbage of.</param>
/// <param name="Damaged">The backup whose manifest could not be read, for which nothing was removed; null when all could.</param>
sealed record CollectionMemory(
    int Version, IReadOnlyList<string> Backups, IReadOnlyList<string> Owners, IReadOnlyList<string> Standalone, IReadOnlyList<string> Newest, bool AwaitsBackup, string? Damaged = null)
{
    const int PresentVersion = 2;

    /// <summary>What is there to be seen now; lists names only.</summary>
    public static async Task<CollectionMemory> LookAsync(Repository repository, CancellationToken cancellationToken)
    {
        var backups = new List<string>();
        var (standalone, newest) = (new List<string>(), new List<string>());
        var owners = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var lineage in repository.Lineages)
        {
            var parts = (await lineage.Backups.ListPartsAsync(cancellationToken)).Where(static b => b.Parts.HasFlag(BackupParts.Manifest)).ToList();
            backups.AddRange(parts.Select(b => $"{lineage.Number}/{b.Id}"));
            standalone.AddRange(parts.Where(static b => BackupCatalog.KeepOf(b.Parts) == KeepTarget.Standalone).Select(b => $"{lineage.Number}/{b.Id}"));
            newest.AddRange(parts.Where(static b => b.Parts.HasFlag(BackupParts.Complete)).TakeLast(1).Select(b => $"{lineage.Number}/{b.Id}"));
            owners.UnionWith((await lineage.Packs.ListOwnersAsync(cancellationToken)).Select(o => $"{lineage.Number}/{o}"));
        }
        owners.ExceptWith(backups);
        return new(PresentVersion, backups, [.. owners], standalone, newest, AwaitsBackup: false);
    }

    /// <summary>Null when there is none that can be read.</summary>
    public static CollectionMemory? TryRead(string path)
    {
        try
        {
            var memory = File.Exists(path) ? JsonSerializer.Deserialize(File.ReadAllBytes(path), CollectionJson.Default.CollectionMemory) : null;
            return memory is { Version: PresentVersion, Backups: not null, Owners: not null, Standalone: not null, Newest: not null } ? memory : null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public void Write(string path) => Durable.Replace(path, JsonSerializer.SerializeToUtf8Bytes(this, CollectionJson.Default.CollectionMemory));

    /// <summary>Whether there may be garbage now that was not there then.</summary>
    public bool IsOutdatedBy(CollectionMemory now) =>
        Backups.Except(now.Backups).Any()
        || now.Owners.Except(Owners).Any()
        || now.Standalone.Except(Standalone).Any()
        || (AwaitsBackup && !now.Newest.SequenceEqual(Newest))
        // WAL from before a lineage's first backup.
        || now.Backups.Select(LineageOf).Except(Backups.Select(LineageOf)).Any();

    static string LineageOf(string backup) => backup[..Math.Max(0, backup.IndexOf('/'))];
}
