using Barkeep.Repo;

namespace Barkeep.Backups;

/// <summary>Numbers the packs of a manifest anew, so that it names none but those it refers to.</summary>
static class PackNumbers
{
    /// <returns>The entries with the new numbers, and the packs by them.</returns>
    public static (List<ManifestEntry> Entries, List<string> Packs) Tidy(List<ManifestEntry> entries, IReadOnlyList<string> packs)
    {
        var isNeeded = new bool[packs.Count];
        foreach (var run in entries.SelectMany(static e => e.Runs).Where(static r => !r.IsZeros))
        {
            isNeeded[run.Pack] = true;
        }
        var names = new List<string>();
        var numbers = new int[packs.Count];
        for (var i = 0; i < packs.Count; i++)
        {
            numbers[i] = names.Count;
            if (isNeeded[i])
            {
                names.Add(packs[i]);
            }
        }
        return names.Count == packs.Count ? (entries, names) : (entries.ConvertAll(Renumber), names);

        ManifestEntry Renumber(ManifestEntry entry) =>
            entry.Runs.Count == 0 ? entry : entry with { Runs = [.. entry.Runs.Select(r => r.IsZeros ? r : r with { Pack = numbers[r.Pack] })] };
    }
}
