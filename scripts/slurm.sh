#!/usr/bin/env bash
# Train under SLURM and go on by itself after a time limit or a preemption:
#
#   sbatch scripts/slurm.sh --config configs/cnn.yaml --config configs/hardware/cluster.yaml
#
# SLURM sends SIGUSR1 90 seconds before the time limit and SIGTERM at a preemption. Either way `fit` finishes its batch,
# saves last.ckpt and exits with 143, upon which the job is put back into the queue and resumes in the same folder.
# The submit folder must be on a disk that all machines share. Adapt the numbers; tasks on a node = devices.
#SBATCH --job-name=digits
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --time=01:00:00
#SBATCH --signal=USR1@90
#SBATCH --requeue
#SBATCH --open-mode=append

runs=runs/job-$SLURM_JOB_ID # the same after a requeue, so that `last` means this job's run
resume=()
if compgen -G "$runs/*/*/checkpoints/*.ckpt" >/dev/null; then
  resume=(--ckpt_path last)
fi

srun python -m digits fit "$@" --runs_dir "$runs" "${resume[@]}" \
  --trainer.num_nodes "$SLURM_NNODES" --trainer.devices "$SLURM_NTASKS_PER_NODE"
status=$?
if [ "$status" -eq 143 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
