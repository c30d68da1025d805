"""Several machines: shards of a run as tasks of Dask distributed, an optional extra.

A task is the path of a shard and how to make it; the same code as on one machine makes it, with the confined worker
below the Dask worker. What a model or its predictions contain goes through files of the run's folder, which all
machines share, and never through Dask. Nothing of Dask is imported before a scheduler is asked for.
"""
