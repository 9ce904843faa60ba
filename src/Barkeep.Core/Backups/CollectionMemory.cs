using System.Text.Json;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>
/// What the last finished collection saw (<c>collected.json</c>). New backups make no garbage: as long as all that it saw is there and nothing
/// but backups was added, another collection would find nothing. Losing the file costs one collection.
/// </summary>
/// <param name="Backups">The backups that had a manifest: <c>1/20261123T131251</c>, with their lineage's number.</param>
/// <param name="Owners">Those without one whose packs others need.</param>
sealed record CollectionMemory(int Version, IReadOnlyList<string> Backups, IReadOnlyList<string> Owners)
{
    const int PresentVersion = 1;

    /// <summary>What is there to be seen now; lists names only.</summary>
    public static async Task<CollectionMemory> LookAsync(Repository repository, CancellationToken cancellationToken)
    {
        var backups = new List<string>();
        var owners = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var lineage in repository.Lineages)
        {
            backups.AddRange((await lineage.Backups.ListPartsAsync(cancellationToken)).Where(static b => b.Parts.HasFlag(BackupParts.Manifest)).Select(b => $"{lineage.Number}/{b.Id}"));
            owners.UnionWith((await lineage.Packs.ListOwnersAsync(cancellationToken)).Select(o => $"{lineage.Number}/{o}"));
        }
        owners.ExceptWith(backups);
        return new(PresentVersion, backups, [.. owners]);
    }

    /// <summary>Null when there is none that can be read.</summary>
    public static CollectionMemory? TryRead(string path)
    {
        try
        {
            var memory = File.Exists(path) ? JsonSerializer.Deserialize(File.ReadAllBytes(path), CollectionJson.Default.CollectionMemory) : null;
            return memory is { Version: PresentVersion, Backups: not null, Owners: not null } ? memory : null;
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
        // WAL from before a lineage's first backup.
        || now.Backups.Select(LineageOf).Except(Backups.Select(LineageOf)).Any();

    static string LineageOf(string backup) => backup[..Math.Max(0, backup.IndexOf('/'))];
}
