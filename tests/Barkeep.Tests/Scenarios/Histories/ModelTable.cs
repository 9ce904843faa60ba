namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>A table as the author of a history knows it.</summary>
sealed record ModelTable(string Name)
{
    public bool IsUnlogged { get; set; }

    /// <summary>The next row's number; rows are numbered from 1 on.</summary>
    public int Next { get; set; } = 1;

    public List<string> Indexes { get; } = [];

    public List<string> Views { get; } = [];

    /// <summary>Whether a transaction that has not ended holds a lock on it: then the history leaves it alone.</summary>
    public bool IsLocked { get; set; }

    /// <summary>The same table in a copy of its database.</summary>
    public ModelTable Copy()
    {
        var copy = new ModelTable(Name) { IsUnlogged = IsUnlogged, Next = Next };
        copy.Indexes.AddRange(Indexes);
        copy.Views.AddRange(Views);
        return copy;
    }
}
