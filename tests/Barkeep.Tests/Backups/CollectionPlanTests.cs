using Barkeep.Backups;
using Barkeep.Repo;
using Barkeep.Tests.Repo;
using Barkeep.Wal;
using Xunit;

namespace Barkeep.Tests.Backups;

public sealed class CollectionPlanTests
{
    const int Histories = 20_000;

    [Fact]
    public void B10_no_history_takes_pages_or_WAL_away_from_a_backup_that_is_kept()
    {
        for (var seed = 1; seed <= Histories; seed++)
        {
            var history = new History(seed);
            for (var step = 0; step < 14; step++)
            {
                history.Go();
            }
            history.End();
        }
    }

    /// <summary>A server's life in memory: WAL on timelines, with gaps; backups that share pages; failures, deletions, collections whole and cut off.</summary>
    sealed class History(int seed)
    {
        const int Pages = 12;

        static readonly SegmentSize Size = new(1 << 20);

        readonly Random _random = new(seed);
        readonly List<string> _told = [];
        readonly Dictionary<int, Manifest> _backups = [];
        readonly Dictionary<StoredPack, HashSet<int>> _packs = [];
        // The WAL that a restore of each backup may read: what was there from its begin on, and all that came since.
        readonly Dictionary<int, HashSet<SegmentName>> _wal = [];
        readonly HashSet<SegmentName> _segments = [];
        uint _timeline = 1;
        ulong _position = 1;
        int _number;

        public void Go()
        {
            switch (_random.Next(10))
            {
                case 0:
                    Tell("gap");
                    _position += (ulong)_random.Next(1, 4);
                    break;
                case 1:
                    Tell("timeline");
                    _timeline++;
                    _position -= Math.Min(_position - 1, (ulong)_random.Next(3));
                    break;
                case 2 or 3:
                    Receive(_random.Next(1, 5));
                    break;
                case 4 or 5 or 6:
                    BackUp(fails: _random.Next(4) == 0);
                    break;
                case 7 when _backups.Count > 0:
                    var gone = _backups.Keys.ElementAt(_random.Next(_backups.Count));
                    Tell($"delete {gone}");
                    _backups.Remove(gone);
                    break;
                default:
                    Collect(_random.Next(3) == 0 ? _random.Next(6) : int.MaxValue);
                    break;
            }
        }

        /// <summary>After a whole collection nothing is left that nobody needs.</summary>
        public void End()
        {
            Collect(int.MaxValue);
            var plan = Plan();
            Assert.True(plan.Unneeded.Count + plan.Superseded.Count + plan.Sparse.Count + plan.Segments.Count == 0, Story("garbage is left"));
        }

        void Receive(int count)
        {
            Tell($"receive {count} at {_timeline}/{_position}");
            for (; count > 0; count--)
            {
                var name = SegmentName.Of(new(_timeline), _position++, Size);
                _segments.Add(name);
                foreach (var (id, manifest) in _backups)
                {
                    if (name.Number(Size) >= Size.NumberOf(manifest.Info.BeginLsn))
                    {
                        _wal[id].Add(name);
                    }
                }
            }
        }

        void BackUp(bool fails)
        {
            var id = ++_number;
            Tell($"backup {id}{(fails ? " fails" : "")} at {_timeline}/{_position}");
            var names = new List<string>();
            var runs = new List<PageRun>();
            var own = new StoredPack(NameOf(id), 0, 1000);
            var stored = new HashSet<int>();
            var parent = _backups.Count > 0 ? _backups[_backups.Keys.Max()] : null;
            var density = _random.Next(1, 11);
            for (var page = 0; page < Pages; page++)
            {
                var run = parent?.Entries[0].Runs[page];
                var pack = run is { } old && _random.Next(10) >= density ? parent!.Packs[old.Pack] : own.Name;
                var ordinal = pack == own.Name ? stored.Count : run!.Value.Ordinal;
                if (pack == own.Name)
                {
                    stored.Add(ordinal);
                }
                if (!names.Contains(pack))
                {
                    names.Add(pack);
                }
                runs.Add(new(1, names.IndexOf(pack), ordinal));
            }
            if (stored.Count > 0)
            {
                _packs[own] = stored;
            }
            if (!fails)
            {
                var begin = new Lsn((_position * (ulong)Size.Bytes) + 40);
                _wal[id] = [.. _segments.Where(s => s.Number(Size) >= _position)];
                _backups[id] = new()
                {
                    Info = SmallRepository.Info(SmallRepository.First) with { Timeline = _timeline, BeginLsnText = begin.ToString(), EndLsnText = new Lsn(begin.Value + 300).ToString() },
                    Packs = names,
                    Entries = [new() { Kind = ManifestEntryKind.File, Path = "base/1/112", Length = Pages * Page.Size, Runs = runs }],
                };
            }
        }

        // Cut off after so many removals.
        void Collect(int steps)
        {
            Tell($"collect {steps}");
            var plan = Plan();
            foreach (var pack in plan.Unneeded.Concat(plan.Superseded))
            {
                if (steps-- > 0)
                {
                    _packs.Remove(pack);
                }
            }
            foreach (var segment in plan.Segments)
            {
                if (steps-- > 0)
                {
                    _segments.Remove(segment.Name);
                }
            }
            foreach (var sparse in plan.Sparse)
            {
                if (steps-- > 0)
                {
                    _packs[sparse.Pack with { Generation = sparse.Pack.Generation + 1 }] = [.. _packs[sparse.Pack].Where(sparse.Needed.Contains)];
                }
                if (steps-- > 0)
                {
                    _packs.Remove(sparse.Pack);
                }
            }
            Check();
        }

        CollectionPlan Plan()
        {
            var needs = new PageNeeds();
            foreach (var manifest in _backups.Values)
            {
                needs.Add(manifest);
            }
            var segments = _segments.Select(static s => new StoredSegment(s, IsPartial: false, 100)).ToList();
            return CollectionPlan.Make(needs, [.. _packs.Keys], p => _packs[p].Count, segments, Size);
        }

        void Check()
        {
            foreach (var (id, manifest) in _backups)
            {
                foreach (var run in manifest.Entries[0].Runs)
                {
                    var pack = _packs.Keys.Where(p => p.Name == manifest.Packs[run.Pack]).MaxBy(static p => p.Generation);
                    Assert.True(pack.Name is not null && _packs[pack].Contains(run.Ordinal), Story($"backup {id} lacks page {run.Ordinal} of {manifest.Packs[run.Pack]}"));
                }
                // On whatever timeline it goes on.
                Assert.True(_segments.IsSupersetOf(_wal[id]), Story($"backup {id} lacks WAL"));
            }
        }

        void Tell(string what) => _told.Add(what);

        string Story(string what) => $"seed {seed}: {what}\n{string.Join('\n', _told)}";

        static string NameOf(int id) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"20261123T{id / 3600:D2}{id / 60 % 60:D2}{id % 60:D2}/0001");
    }
}
